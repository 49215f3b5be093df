import Foundation
import SDLensCore

/// The files of the page. They are read once, so that no path of a request ever reaches the disk.
struct PageFiles: Sendable {
  private let files: [String: Response]

  private static let types = [
    "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
  ]

  /// Reads them; they lie beside the program, wherever both were moved.
  ///
  /// - Throws: `NoPage`.
  init() throws {
    let program =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      ?? CommandLine.arguments[0]
    let folder = URL(fileURLWithPath: program).deletingLastPathComponent().path
    let page = "\(folder)/sdlens_SDLensExplore.resources/Page"
    var files: [String: Response] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: page)) ?? [] {
      guard let type = Self.types[(name as NSString).pathExtension],
        let data = FileManager.default.contents(atPath: "\(page)/\(name)")
      else { continue }
      files[name] = Response(type: type, body: Array(data))
    }
    guard files["index.html"] != nil else { throw NoPage(path: page) }
    self.files = files
  }

  /// A file by its name.
  subscript(name: String) -> Response? { files[name.isEmpty ? "index.html" : name] }
}

/// The page is not beside the program.
struct NoPage: UserError {
  let path: String
  var description: String {
    "'\(path)' is not there, which is the page; the folders '*.resources' must lie beside the program"
  }
}
