import App
import ArgumentParser
import Flows
import Kernel

struct OwnerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "owner", abstract: "The local owner's sign-in: password and one-time codes.",
        subcommands: [SetPassword.self, OneTimeCodes.self])

    /// The name of the account that may do everything.
    static let name = "owner"
}

extension OwnerCommand {
    struct SetPassword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-password", abstract: "Sets the password. Running sessions end.",
            discussion: """
                The account is `owner`, unless --user names another. The password is asked for on the terminal, \
                without echo, unless --password-file says where it is. Signing in: docs/cli.md.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Option(help: ArgumentHelp("A file with the password.", valueName: "file"), completion: .file())
        var passwordFile: String?
        @Option(help: "Another person's account, by name.") var user = OwnerCommand.name

        func run() async throws {
            let context = CommandContext(options)
            let input = passwordFile.map(SecretInput.file) ?? .prompt
            let password = try input.read(
                "password", environment: context.environment, terminal: context.terminal, asksTwice: true)
            let request = NewPassword(user: user, password: password)
            let account = try await context.control(begins: true) { try await $0.setPassword(request) }
            try context.terminal.changed(
                account, asJSON: listing.json, "`\(account.name)` signs in with the new password from now on.")
        }
    }

    struct OneTimeCodes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "totp", abstract: "Asks for a one-time code at sign-in, or no longer.",
            discussion: """
                `on` makes a new shared secret and prints it as otpauth:// to standard output, this once: an \
                authenticator app takes it. Running sessions end. Should the app not have it, `off` on this machine \
                lets the password alone do again.
                """)

        enum Wish: String, ExpressibleByArgument, CaseIterable { case on, off }

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "on or off.") var wish: Wish
        @Option(help: "Another person's account, by name or identifier.") var user = OwnerCommand.name

        func run() async throws {
            let context = CommandContext(options)
            let setup = try await context.control { [wish, user] control in
                try await control.setOneTimeCodes(control.userID(named: user), on: wish == .on)
            }
            if listing.json { return try context.terminal.write(json: setup) }
            let other = user == OwnerCommand.name ? "" : " --user \(Terminal.printable(user))"
            if let uri = setup.uri { try context.terminal.write(uri + "\n") }
            context.terminal.talk(
                setup.enabled
                    ? "Codes are asked for from now on. Keep the line now: it cannot be shown again. If it is lost, "
                        + "`volery owner totp off\(other)` turns them off.\n"
                    : "Codes are no longer asked for.\n")
        }
    }
}
