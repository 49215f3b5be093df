/// What is answered at once.
struct Response: Sendable {
  var status = 200
  var type: String
  var body: [UInt8]
  var headers: [(String, String)] = []

  /// Fields of every answer: nothing is kept, framed, or loaded from elsewhere, and no type is guessed.
  private static let always = [
    ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"), ("Cross-Origin-Opener-Policy", "same-origin"),
    (
      "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
  ]

  private static let reasons = [
    200: "OK", 301: "Moved Permanently", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout", 409: "Conflict", 411: "Length Required", 413: "Content Too Large",
    415: "Unsupported Media Type", 422: "Unprocessable Content", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 503: "Service Unavailable",
  ]

  /// The line and the fields; `length` nil for a body that ends with the connection.
  static func head(
    _ status: Int, _ type: String, length: Int?, keepsAlive: Bool, _ headers: [(String, String)] = []
  ) -> [UInt8] {
    var fields = [("Content-Type", type), ("Connection", keepsAlive ? "keep-alive" : "close")]
    if let length { fields.append(("Content-Length", "\(length)")) }
    let lines = (fields + always + headers).map { "\($0): \($1)\r\n" }.joined()
    return Array("HTTP/1.1 \(status) \(reasons[status] ?? "")\r\n\(lines)\r\n".utf8)
  }

  /// All bytes.
  func bytes(keepsAlive: Bool, withBody: Bool = true) -> [UInt8] {
    Self.head(status, type, length: body.count, keepsAlive: keepsAlive, headers) + (withBody ? body : [])
  }
}
