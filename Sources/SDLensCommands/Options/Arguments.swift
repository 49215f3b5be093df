import ArgumentParser
import Foundation
import SDLensCore

/// The words of the command line, where ArgumentParser alone would not say what is wrong with them.
struct Arguments {
  /// As they were given, but `--prompt=` in two words, of which ArgumentParser would take the next for the value.
  let words: [String]
  /// The commands that they name, from the program down.
  private let commands: [any ParsableCommand.Type]

  /// Those of this process; checks that they are text, and that the commands among them exist.
  ///
  /// - Throws: `NotText`, `UnknownCommand`.
  init(of program: any ParsableCommand.Type) throws {
    // What is no text was changed on its way into `CommandLine.arguments` and the environment of Foundation.
    for index in 0..<Int(CommandLine.argc) { try Self.check(CommandLine.unsafeArgv[index], "the argument") }
    for name in Self.paths { try Self.check(getenv(name), name) }
    try self.init(CommandLine.arguments.dropFirst(), of: program)
  }

  /// Any; checks that the commands among them exist.
  ///
  /// - Throws: `UnknownCommand`.
  init(_ given: some Sequence<String>, of program: any ParsableCommand.Type) throws {
    words = given.flatMap { word in
      word.hasPrefix("--") && word.count > 3 && word.firstIndex(of: "=") == word.indices.last
        ? [String(word.dropLast()), ""] : [word]
    }
    var commands = [program]
    for word in words.first == "help" ? words.dropFirst() : words[...] {
      let known = commands[commands.count - 1].configuration.subcommands
      guard !word.hasPrefix("-"), !known.isEmpty else { break }
      guard let next = known.first(where: { $0._commandName == word }) else {
        throw UnknownCommand(
          word: word, parents: commands, known: known.map { $0._commandName })
      }
      commands.append(next)
    }
    self.commands = commands
  }

  /// The variables that hold paths.
  private static let paths = ["SDLENS_MODEL", "SDLENS_WORKSPACE", "HF_HOME", "HF_HUB_CACHE", "HOME"]

  private static func check(_ bytes: UnsafeMutablePointer<CChar>?, _ name: String) throws {
    guard let bytes, String(validatingCString: bytes) == nil else { return }
    throw NotText(name: name, found: String(cString: bytes))
  }

  /// Refuses empty words where anything but a prompt is needed: an empty path would mean the root of the file system.
  ///
  /// - Throws: `EmptyValue`.
  func checkEmpty() throws {
    guard words.contains("") else { return }
    try scan { option, value in
      if value == "", option?.valueName != "text" {
        throw EmptyValue(option: option?.word, value: option?.valueName)
      }
    }
  }

  /// The command that is meant.
  var command: any ParsableCommand.Type { commands[commands.count - 1] }

  /// What is unknown among the options; ArgumentParser names it only after what is missing.
  func unknownOption() -> UnknownOption? {
    do {
      try scan { _, _ in }
      return nil
    } catch { return error as? UnknownOption }
  }

  /// An option of the command, as `--experimental-dump-help` describes it.
  private struct Option: Decodable {
    struct Name: Decodable {
      let kind: String
      let name: String
    }
    let kind: String
    let names: [Name]?
    let valueName: String?
    let parsingStrategy: String?
    var word: String? { names?.first { $0.kind == "long" }.map { "--\($0.name)" } }
  }

  private struct Description: Decodable {
    struct Command: Decodable { let arguments: [Option]? }
    let command: Command
  }

  /// Goes through the words behind the commands, and hands out every value with the option that it belongs to.
  ///
  /// - Throws: `UnknownOption`, and what `visit` throws.
  private func scan(_ visit: (Option?, String) throws -> Void) throws {
    let text = command._dumpHelp()
    let options = try JSONDecoder().decode(Description.self, from: Data(text.utf8)).command.arguments ?? []
    let known =
      options.compactMap(\.word) + [
        "--help", "--version", "--help-hidden", "--experimental-dump-help", "--generate-completion-script",
      ]
    var open: Option?
    var isFirst = false
    for word in words.dropFirst(commands.count - 1) {
      if let option = open, isFirst, option.parsingStrategy == "unconditional" || !word.hasPrefix("-") {
        try visit(option, word)
        isFirst = false
        if option.parsingStrategy != "upToNextOption" { open = nil }
      } else if word == "--" {
        return
      } else if word.hasPrefix("--") {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        open = options.first { $0.word ?? "" == parts[0] }
        guard open != nil || known.contains(String(parts[0])) else {
          throw UnknownOption(word: String(parts[0]), known: known)
        }
        if open?.kind != "option" { open = nil }
        if let open, parts.count == 2 { try visit(open, String(parts[1])) }
        if parts.count == 2 { open = nil }
        isFirst = true
      } else {
        try visit(open, word)
      }
    }
  }
}

/// A mistake in the words of the command line, which the usage helps with.
protocol UsageError: UserError {}

/// A word that is no text.
struct NotText: UserError {
  let name: String
  let found: String
  var description: String {
    "\(name) '\(found)' is not UTF-8 text and would be changed; write it in UTF-8, or give the file another name"
  }
}

/// A command that does not exist.
struct UnknownCommand: UsageError {
  let word: String
  let parents: [any ParsableCommand.Type]
  let known: [String]
  var description: String {
    let parent = parents.map { $0._commandName }.joined(separator: " ")
    let meant = Spelling.nearest(to: word, among: known).map { "Did you mean '\($0)'?" }
    return "There is no command '\(parent) \(word)'. "
      + (meant ?? "There are: \(known.joined(separator: ", "))")
  }
}

/// An option that does not exist.
struct UnknownOption: UsageError {
  let word: String
  let known: [String]
  var description: String {
    "Unknown option '\(word)'"
      + (Spelling.nearest(to: word, among: known).map { ". Did you mean '\($0)'?" } ?? "")
  }
}

/// Nothing where something is needed.
struct EmptyValue: UsageError {
  let option: String?
  let value: String?
  var description: String {
    (option.map { "\($0) is empty, but <\(value ?? "value")> is needed" } ?? "an argument is empty")
      + "; give it, or leave it out"
  }
}
