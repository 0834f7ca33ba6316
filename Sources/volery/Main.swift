import App
import ArgumentParser
import CSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@main
enum Main {
    static func main() async {
        // The guard of a child must not have a thread yet, so it comes before everything else.
        if let status = ChildGuard.runIfAsked(arguments: CommandLine.arguments) { exit(status) }
        volery_return_large_blocks()
        let terminal = Terminal.standard()
        let words = CommandWords.joined(Array(CommandLine.arguments.dropFirst()))
        do {
            var command = try Volery.parseAsRoot(words)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            switch Failure(error, words: words) {
            case .ofArguments: Volery.exit(withError: error)
            case .told(let text, let status):
                terminal.talk(text)
                exit(status.rawValue)
            }
        }
    }
}
