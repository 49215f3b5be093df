import SDLensCore

/// What a client asks for, read strictly: HTTP/1.1, a path of our own pages, a body of a known length.
struct Request: Sendable {
  let method: String
  /// The parts of the path between slashes, as they came: nothing of ours needs `%`, and `..` names nothing.
  let path: [String]
  /// Header fields by their names in small letters.
  let headers: [String: String]
  var body: [UInt8] = []

  /// The most bytes of the line and the fields before a body.
  static let mostHeadBytes = 1 << 14
  /// The most bytes of a body: a list of edits with a mask each is far smaller.
  static let mostBodyBytes = 1 << 20

  /// Reads the line and the fields of a request, without the empty line behind them.
  ///
  /// - Throws: `Refusal`.
  init(head: [UInt8]) throws {
    guard head.allSatisfy({ $0 == 13 || $0 == 10 || $0 == 9 || 32..<127 ~= $0 }) else {
      throw Refusal(400, "the request has characters in its head that are not ASCII")
    }
    let lines = String(decoding: head, as: UTF8.self).replacing("\r\n", with: "\n").split(
      separator: "\n", omittingEmptySubsequences: false)
    let words = lines[0].split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.count == 3, words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0" else {
      throw Refusal(400, "the request begins with '\(lines[0].prefix(60))', which is not a line of HTTP/1.1")
    }
    let target = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    guard target[0].hasPrefix("/") else {
      throw Refusal(400, "the request is for '\(words[1].prefix(60))', but a path is needed")
    }
    method = words[0]
    path = target[0].dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, !parts[0].contains(where: \.isWhitespace) else {
        throw Refusal(400, "the request has the field '\(line.prefix(60))', which is none of HTTP")
      }
      let name = parts[0].lowercased()
      let value = String(
        parts[1].drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
      guard headers.updateValue(value, forKey: name) == nil || !Self.single.contains(name) else {
        throw Refusal(400, "the request has the field '\(name)' twice")
      }
    }
    self.headers = headers
  }

  /// Fields that decide what is answered, or where a request ends.
  private static let single: Set = ["host", "origin", "content-length", "content-type", "transfer-encoding"]

  /// How many bytes the body has.
  ///
  /// - Throws: `Refusal` when nobody knows, or too many.
  var bodyBytes: Int {
    get throws {
      guard headers["transfer-encoding"] == nil else {
        throw Refusal(411, "the request does not say how long its body is; send it with Content-Length")
      }
      guard let text = headers["content-length"] else { return 0 }
      guard let count = Int(text), count >= 0, text.allSatisfy(\.isNumber) else {
        throw Refusal(
          400, "the request has the Content-Length '\(text.prefix(60))', which is no number of bytes")
      }
      guard count <= Self.mostBodyBytes else {
        throw Refusal(413, "the body has \(count) bytes, but at most \(Self.mostBodyBytes) are taken")
      }
      return count
    }
  }

  /// Whether the client may send another request on the same connection.
  var keepsAlive: Bool { headers["connection"]?.lowercased() != "close" }
}

/// A request that is not answered as asked.
struct Refusal: UserError {
  let status: Int
  let description: String

  init(_ status: Int, _ description: String) { (self.status, self.description) = (status, description) }
}
