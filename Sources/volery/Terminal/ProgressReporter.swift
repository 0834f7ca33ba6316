import App
import Fleet
import Kernel
import Synchronization

/// Shows a pull on standard error: one line drawn over and over for a person, a line now and then for a log.
final class ProgressReporter: Sendable {
    private static let redraw = Duration.milliseconds(100)
    /// Between lines of a log, unless ten per cent have passed.
    private static let quiet = Duration.seconds(10)

    private struct State {
        var drawn: Duration?
        var file = ""
        var tenth = -1
        var line = ""
        var hasOpenLine = false
    }

    private let terminal: Terminal
    private let clock: any Clock
    private let state = Mutex(State())

    init(terminal: Terminal, clock: any Clock) {
        self.terminal = terminal
        self.clock = clock
    }

    func show(_ name: String, _ step: ModelStock.Step) {
        switch step {
        case .fetching(let progress): show(name, progress)
        case .preparing(let what): show("\(name): \(what)")
        }
    }

    /// Writes a line that stays.
    func finish(_ text: String) {
        state.withLock { state in
            terminal.talk((state.hasOpenLine ? "\r\u{1B}[K" : "") + text + "\n")
            state = State()
        }
    }

    /// Leaves a line that was being drawn, for an error to come.
    func abandon() {
        state.withLock { state in
            if state.hasOpenLine { terminal.talk("\n") }
            state = State()
        }
    }

    private func show(_ text: String) {
        let text = Terminal.printable(text)
        state.withLock { state in
            guard text != state.line else { return }
            state.line = text
            if terminal.isLive { draw(text, &state) } else { terminal.talk(text + "\n") }
        }
    }

    private func show(_ name: String, _ progress: FetchProgress) {
        let now = clock.uptime
        state.withLock { state in
            let isNew = state.file != progress.file
            let isWhole = progress.total == progress.done
            if isNew { (state.file, state.tenth, state.drawn) = (progress.file, -1, nil) }
            let past = state.drawn.map { now - $0 }
            if terminal.isLive {
                guard isWhole || past.map({ $0 >= Self.redraw }) ?? true else { return }
                draw(ProgressText.line(name, progress, width: terminal.width), &state)
            } else {
                let tenth = (ProgressText.percent(progress) ?? 0) / 10
                guard tenth > state.tenth || past.map({ $0 >= Self.quiet }) ?? true else { return }
                state.tenth = tenth
                terminal.talk(ProgressText.plain(name, progress) + "\n")
            }
            state.drawn = now
        }
    }

    private func draw(_ text: String, _ state: inout State) {
        terminal.talk("\r\u{1B}[K" + text.prefix(terminal.width - 1))
        state.hasOpenLine = true
    }
}
