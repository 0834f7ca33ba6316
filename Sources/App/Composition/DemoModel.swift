import Gateway
import Inference
import Kernel

/// The model that is always there.
enum DemoModel {
    static var deployment: Deployment {
        Deployment(
            id: RuntimeDeployments.id(of: EchoModel.name), model: EchoModel.modelName, wire: .echo,
            endpoint: Inference.Endpoint(scheme: .builtIn, host: EchoModel.name, port: 0),
            upstreamModel: EchoModel.name,
            capabilities: [.chat, .completions], origin: .builtIn, registered: Instant(microseconds: 0))
    }
}
