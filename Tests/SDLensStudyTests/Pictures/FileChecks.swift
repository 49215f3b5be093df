import Foundation
import FoundationXML
import SDLensCore
import Testing

/// Expects a file to be whole by its ending: PNG that our reader reads, SVG that is XML, PDF from head to end.
func expectValid(_ path: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
  let data = try Data(contentsOf: URL(fileURLWithPath: path))
  switch path.suffix(3) {
  case "png": _ = try PNG.read(path)
  case "svg":
    let parser = XMLParser(data: data)
    #expect(
      parser.parse(), "\(path): \(String(describing: parser.parserError))", sourceLocation: sourceLocation)
  default:
    #expect(data.starts(with: Array("%PDF-1.".utf8)), sourceLocation: sourceLocation)
    #expect(data.suffix(8).contains(Array("%%EOF".utf8)), sourceLocation: sourceLocation)
    #expect(!data.contains(Array("/CreationDate".utf8)), sourceLocation: sourceLocation)
  }
}

extension Data {
  fileprivate func contains(_ bytes: [UInt8]) -> Bool { range(of: Data(bytes)) != nil }
}
