import Foundation

/// Who is answered: whoever knows the address that was printed, from a page of this server or from none.
struct Access: Sendable {
  /// 32 random digits, the first part of every path.
  let token: String
  private let hosts: Set<String>

  init(port: Int) {
    var random = SystemRandomNumberGenerator()
    let digits = (0..<2).map { _ in
      let text = String(random.next(), radix: 16)
      return String(repeating: "0", count: 16 - text.count) + text
    }
    token = digits.joined()
    hosts = ["127.0.0.1:\(port)", "localhost:\(port)", "[::1]:\(port)"]
  }

  /// Checks a request, and gives the path behind the token.
  ///
  /// A page of another site that has found a way to this server's address (by a name that resolves to it, or by
  /// sending a form) says so in Host or Origin.
  ///
  /// - Throws: `Refusal`.
  func path(of request: Request) throws -> [String] {
    guard let host = request.headers["host"], hosts.contains(host.lowercased()) else {
      throw Refusal(
        403, "the request is for the host '\(request.headers["host"] ?? "")', which is not this server")
    }
    if let origin = request.headers["origin"] {
      guard origin.hasPrefix("http://"), hosts.contains(origin.dropFirst(7).lowercased()) else {
        throw Refusal(403, "the request comes from '\(origin)', which is not a page of this server")
      }
    }
    guard let given = request.path.first, Self.areEqual(given, token) else {
      throw Refusal(403, "the address lacks the token; take the one that 'sdlens explore' has printed")
    }
    return Array(request.path.dropFirst())
  }

  /// In a time that does not tell how much is equal.
  private static func areEqual(_ a: String, _ b: String) -> Bool {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    guard a.count == b.count else { return false }
    return zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
