import Foundation
import Synchronization

/// A connection to one client, which may be slow, silent, or gone.
final class Connection: @unchecked Sendable {
  // Used by the thread that serves it alone.
  private let socket: Int32
  private var waiting: [UInt8] = []

  /// How long a client may take to send a request, or to take the next part of an answer, in seconds.
  static let patience = 10.0
  /// How long a connection may stay open between two requests.
  static let idle = 30.0

  /// The client is gone, or too slow.
  struct Ended: Error {}

  init(_ socket: Int32) {
    self.socket = socket
    let flags = fcntl(socket, F_GETFL)
    _ = fcntl(socket, F_SETFL, flags | O_NONBLOCK)
    var one: Int32 = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close(socket) }

  private static func now() -> Double { ProcessInfo.processInfo.systemUptime }

  /// Waits until the socket is ready; false when the time is over.
  private func wait(for events: Int32, until deadline: Double) -> Bool {
    while true {
      let left = deadline - Self.now()
      guard left > 0 else { return false }
      var descriptor = pollfd(fd: socket, events: Int16(events), revents: 0)
      let found = poll(&descriptor, 1, Int32(min(left * 1000 + 1, 60_000)))
      if found > 0 { return true }
      if found < 0 && errno != EINTR { return false }
    }
  }

  /// The next bytes; nil when the client sends no more.
  private func receive(until deadline: Double) throws -> [UInt8]? {
    while true {
      guard wait(for: POLLIN, until: deadline) else { throw Ended() }
      var bytes = [UInt8](repeating: 0, count: 1 << 14)
      let count = recv(socket, &bytes, bytes.count, 0)
      if count > 0 { return Array(bytes.prefix(count)) }
      if count == 0 { return nil }
      guard errno == EAGAIN || errno == EINTR else { throw Ended() }
    }
  }

  /// The next request; nil when there is none.
  ///
  /// - Throws: `Refusal` for one that is not read, `Ended`.
  func request() throws -> Request? {
    if waiting.isEmpty {
      guard let first = try receive(until: Self.now() + Self.idle) else { return nil }
      waiting = first
    }
    let deadline = Self.now() + Self.patience
    var end = Self.headEnd(in: waiting)
    while end == nil {
      guard waiting.count <= Request.mostHeadBytes else {
        throw Refusal(431, "the head of the request has more than \(Request.mostHeadBytes) bytes")
      }
      guard let more = try? receive(until: deadline) else {
        throw Refusal(408, "the request did not arrive within \(Int(Self.patience)) seconds")
      }
      waiting += more
      end = Self.headEnd(in: waiting)
    }
    guard let end, end.lowerBound <= Request.mostHeadBytes else {
      throw Refusal(431, "the head of the request has more than \(Request.mostHeadBytes) bytes")
    }
    var request = try Request(head: Array(waiting[..<end.lowerBound]))
    let count = try request.bodyBytes
    waiting.removeSubrange(..<end.upperBound)
    if request.headers["expect"]?.lowercased() == "100-continue", waiting.count < count {
      try send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
    }
    while waiting.count < count {
      guard let more = try? receive(until: deadline) else {
        throw Refusal(408, "the request did not arrive within \(Int(Self.patience)) seconds")
      }
      waiting += more
    }
    request.body = Array(waiting[..<count])
    waiting.removeSubrange(..<count)
    return request
  }

  /// Where the empty line behind the head is.
  private static func headEnd(in bytes: [UInt8]) -> Range<Int>? {
    bytes.firstRange(of: [13, 10, 13, 10])
  }

  /// Sends bytes.
  ///
  /// - Throws: `Ended` when the client is gone, or takes nothing for too long.
  func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Foundation.send(socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count > 0 {
        sent += count
      } else if errno == EAGAIN {
        guard wait(for: POLLOUT, until: Self.now() + Self.patience) else { throw Ended() }
      } else if errno != EINTR {
        throw Ended()
      }
    }
  }

  /// Whether the client has gone away.
  var isClosed: Bool {
    var byte: UInt8 = 0
    let count = recv(socket, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
    return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)
  }

  /// Ends the connection so that the client still gets the answer, though it may be sending yet: what it sends is
  /// thrown away for a moment.
  func finish() {
    shutdown(socket, Int32(SHUT_WR))
    let deadline = Self.now() + 2
    while (try? receive(until: deadline)) != nil {}
  }
}
