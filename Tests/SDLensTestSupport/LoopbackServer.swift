import Foundation
import Synchronization

/// An HTTP server on a port of its own of this machine, which may also misbehave as no library's server does.
public final class LoopbackServer: Sendable {
  /// What was asked.
  public struct Request: Sendable {
    /// The method and the path.
    public let line: String
    /// Names in small letters.
    public let headers: [String: String]
    /// The body.
    public let body: Data
  }

  /// What is done with a request.
  public enum Reply: Sendable {
    /// A whole answer.
    case answer(Int, String, [String: String] = [:])
    /// Half of an answer, then the connection ends.
    case cut(String)
    /// The connection ends.
    case drop
    /// A body that never ends.
    case endless
    /// Nothing, as long as the other side waits.
    case silence
  }

  /// As in `http://127.0.0.1:40123/v1`.
  public let url: String
  private let descriptor: Int32
  private let seen = Mutex<[Request]>([])
  private let reply: @Sendable (Request, Int) -> Reply

  /// Begins to listen.
  ///
  /// - Parameter reply: what is done with a request; the first has number 0.
  public init(_ reply: @escaping @Sendable (Request, Int) -> Reply) throws {
    self.reply = reply
    // A connection that the other side has left is an error of the write, not a signal.
    signal(SIGPIPE, SIG_IGN)
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0
          && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard bound else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    self.descriptor = descriptor
    url = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))/v1"
    Thread.detachNewThread { [weak self] in
      while true {
        let client = accept(descriptor, nil, nil)
        guard client >= 0 else { return }
        Thread.detachNewThread { [weak self] in
          self?.serve(client)
          close(client)
        }
      }
    }
  }

  deinit {
    shutdown(descriptor, Int32(SHUT_RDWR))
    close(descriptor)
  }

  /// All requests that have come whole.
  public var requests: [Request] { seen.withLock { $0 } }

  private func serve(_ client: Int32) {
    guard let request = Self.request(client) else { return }
    let number = seen.withLock { seen in
      seen.append(request)
      return seen.count - 1
    }
    switch reply(request, number) {
    case .answer(let status, let body, let headers):
      let head = headers.map { "\($0): \($1)\r\n" }.joined()
      Self.send(
        "HTTP/1.1 \(status) X\r\n\(head)Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)",
        client)
    case .cut(let body):
      Self.send("HTTP/1.1 200 OK\r\nContent-Length: \(2 * body.utf8.count)\r\n\r\n\(body)", client)
    case .drop: break
    case .endless:
      Self.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", client)
      while Self.send(String(repeating: " ", count: 1 << 16), client) {}
    case .silence:
      var byte = UInt8(0)
      while read(client, &byte, 1) > 0 {}
    }
  }

  @discardableResult private static func send(_ text: String, _ client: Int32) -> Bool {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { write(client, $0.baseAddress, $0.count) }
      guard count > 0 else { return false }
      bytes = bytes.dropFirst(count)
    }
    return true
  }

  /// Reads a request with a `Content-Length`.
  private static func request(_ client: Int32) -> Request? {
    var (data, chunk) = (Data(), [UInt8](repeating: 0, count: 1 << 16))
    func more() -> Bool {
      let count = read(client, &chunk, chunk.count)
      guard count > 0 else { return false }
      data.append(contentsOf: chunk[..<count])
      return true
    }
    let end = Data("\r\n\r\n".utf8)
    while data.range(of: end) == nil { guard more() else { return nil } }
    guard let head = data.range(of: end) else { return nil }
    var lines = String(decoding: data[..<head.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
    let line = lines.removeFirst()
    let headers = Dictionary(
      lines.compactMap { line -> (String, String)? in
        guard let colon = line.firstIndex(of: ":") else { return nil }
        return (
          line[..<colon].lowercased(), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        )
      }
    ) { $1 }
    let length = Int(headers["content-length"] ?? "") ?? 0
    while data.count < head.upperBound + length { guard more() else { return nil } }
    return Request(line: line, headers: headers, body: data[head.upperBound..<head.upperBound + length])
  }

  /// An answer as OpenAI's chat completions are.
  public static func completion(_ text: String, usage: (Int, Int)? = nil) -> String {
    let content = String(decoding: (try? JSONEncoder().encode(text)) ?? Data(), as: UTF8.self)
    let usage =
      usage.map { ", \"usage\": {\"prompt_tokens\": \($0.0), \"completion_tokens\": \($0.1)}" } ?? ""
    return
      "{\"model\": \"test-1\", \"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \(content)}}]\(usage)}"
  }
}
