import Foundation
import Testing

/// What is easily forgotten in `Package.swift`.
@Suite struct PackageTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The modules that a target names, by target.
  private static func declared() throws -> [String: Set<String>] {
    let text = try String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)
    let target =
      /\.(?:target|executableTarget|testTarget)\(\s*name: "(\w+)"(?:,\s*dependencies: \[([^\]]*)\])?/
    return Dictionary(
      text.matches(of: target).map { match in
        (String(match.1), Set((match.2 ?? "").matches(of: /"(\w+)"/).map { String($0.1) }))
      }
    ) { first, _ in first }
  }

  /// Where a module is imported, but not named, a build that goes on would not compile the importing one anew after a change
  /// of the other, and the program would read its values at wrong places.
  @Test func targetsNameWhatTheyImport() throws {
    let declared = try Self.declared()
    #expect(declared.count > 14 && declared["SDLensStudy"]?.contains("SDLensSparse") == true)
    for (name, modules) in declared {
      let folder = ["Sources", "Tests"].map { Self.root.appending(path: "\($0)/\(name)") }
        .first { FileManager.default.fileExists(atPath: $0.path) }
      let files = FileManager.default.enumerator(atPath: try #require(folder, "\(name)").path)
      for case let file as String in try #require(files) where file.hasSuffix(".swift") {
        let text = try String(contentsOf: folder!.appending(path: file), encoding: .utf8)
        for match in text.matches(of: /(?m)^(?:@testable )?import (SDLens\w+|C[A-Z]\w+)/)
        where match.1 != "CMPI" {
          #expect(modules.contains(String(match.1)), "\(name) imports \(match.1) in \(file)")
        }
      }
    }
  }
}
