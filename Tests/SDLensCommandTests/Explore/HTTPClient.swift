import Foundation

/// A connection to a program on this machine, byte by byte, so that tests can send what no library would.
final class HTTPClient {
  struct Reply {
    let status: Int
    let headers: [String: String]
    let body: Data
    var text: String { String(decoding: body, as: UTF8.self) }
  }
  struct NotConnected: Error { let port: Int }
  struct NoReply: Error { let found: String }

  private let socket: Int32
  private var waiting: [UInt8] = []

  /// Connects to 127.0.0.1, or to [::1].
  init(port: Int, six: Bool = false) throws {
    socket = Foundation.socket(six ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var patience = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var four = sockaddr_in()
    four.sin_family = sa_family_t(AF_INET)
    four.sin_port = in_port_t(port).bigEndian
    four.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var other = sockaddr_in6()
    other.sin6_family = sa_family_t(AF_INET6)
    other.sin6_port = in_port_t(port).bigEndian
    other.sin6_addr = in6addr_loopback
    func connected<Address>(_ address: inout Address) -> Bool {
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(socket, $0, socklen_t(MemoryLayout<Address>.size)) == 0
        }
      }
    }
    guard six ? connected(&other) : connected(&four) else { throw NotConnected(port: port) }
  }

  deinit { close(socket) }

  /// Sends bytes; false when the other side has closed the connection.
  @discardableResult func send(_ bytes: some Collection<UInt8>) -> Bool {
    let bytes = Array(bytes)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Foundation.send(socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  private func receive() -> Bool {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = recv(socket, &bytes, bytes.count, 0)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      waiting += bytes.prefix(count)
      return true
    }
  }

  /// The next reply; its body ends after Content-Length bytes, or with the connection.
  func reply() throws -> Reply {
    var end = waiting.firstRange(of: [13, 10, 13, 10])
    while end == nil {
      guard receive() else { throw NoReply(found: String(decoding: waiting, as: UTF8.self)) }
      end = waiting.firstRange(of: [13, 10, 13, 10])
    }
    let lines = String(decoding: waiting[..<end!.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
    waiting.removeSubrange(..<end!.upperBound)
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      headers[parts[0].lowercased()] = parts.last?.trimmingCharacters(in: .whitespaces)
    }
    if let count = headers["content-length"].flatMap({ Int($0) }) {
      while waiting.count < count, receive() {}
      defer { waiting.removeFirst(min(count, waiting.count)) }
      return Reply(status: Self.status(lines[0]), headers: headers, body: Data(waiting.prefix(count)))
    }
    while receive() {}
    defer { waiting = [] }
    return Reply(status: Self.status(lines[0]), headers: headers, body: Data(waiting))
  }

  private static func status(_ line: String) -> Int {
    Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0
  }

  /// Sends a request of its own connection, and takes the reply.
  static func ask(
    _ method: String, _ path: String, port: Int, host: String? = nil, headers: [String: String] = [:],
    body: Data? = nil, six: Bool = false
  ) throws -> Reply {
    var fields = ["Host": host ?? "127.0.0.1:\(port)", "Connection": "close"].merging(headers) { $1 }
    if let body { fields["Content-Length"] = "\(body.count)" }
    let head = "\(method) \(path) HTTP/1.1\r\n" + fields.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
    let client = try HTTPClient(port: port, six: six)
    client.send(Array(head.utf8) + Array(body ?? Data()))
    return try client.reply()
  }
}
