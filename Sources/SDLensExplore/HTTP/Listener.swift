import Foundation
import SDLensCore

/// Waits for clients on the loopback addresses, 127.0.0.1 and [::1], and on no other.
final class Listener: Sendable {
  /// The port, the same on both.
  let port: Int
  private let sockets: [Int32]

  /// The most connections at a time.
  static let mostConnections = 64
  /// Where a port is looked for unless one is named.
  private static let usual = 8642..<8742

  /// Takes a port; 0 stands for any that is free, nil for the first free one from 8642 on.
  ///
  /// - Throws: `PortTaken`.
  init(port wanted: Int?) throws {
    for candidate in wanted.map({ $0..<$0 + 1 }) ?? Self.usual {
      if let (port, sockets) = Self.open(candidate) {
        (self.port, self.sockets) = (port, sockets)
        return
      }
    }
    throw PortTaken(port: wanted)
  }

  private static func open(_ wanted: Int) -> (Int, [Int32])? {
    guard let four = bound(AF_INET, wanted) else { return nil }
    // A machine without IPv6 has one address less.
    guard let probe = bound(AF_INET6, 0) else { return (four.port, [four.socket]) }
    close(probe.socket)
    guard let six = bound(AF_INET6, four.port) else {
      close(four.socket)
      return nil
    }
    return (four.port, [four.socket, six.socket])
  }

  /// A socket that listens on a loopback address.
  private static func bound(_ family: Int32, _ port: Int) -> (socket: Int32, port: Int)? {
    let socket = Foundation.socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return nil }
    var one: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, size)
    if family == AF_INET6 { setsockopt(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, size) }
    var storage = sockaddr_storage()
    let length = withUnsafeMutablePointer(to: &storage) { storage -> socklen_t in
      storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
        guard family == AF_INET else { return }
        address.pointee.sin_family = sa_family_t(AF_INET)
        address.pointee.sin_port = in_port_t(port).bigEndian
        address.pointee.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
      }
      storage.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
        guard family == AF_INET6 else { return }
        address.pointee.sin6_family = sa_family_t(AF_INET6)
        address.pointee.sin6_port = in_port_t(port).bigEndian
        address.pointee.sin6_addr = in6addr_loopback
      }
      return socklen_t(family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
    }
    let isBound = withUnsafePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Foundation.bind(socket, $0, length) }
    }
    guard isBound == 0, Foundation.listen(socket, 128) == 0 else {
      close(socket)
      return nil
    }
    var used = length
    withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket, $0, &used) }
    }
    let number = withUnsafePointer(to: &storage) {
      // The port stands at the same place in both.
      $0.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        Int(in_port_t(bigEndian: $0.pointee.sin_port))
      }
    }
    return (socket, number)
  }

  /// Hands out every client on a thread of its own, for ever.
  func serve(_ body: @escaping @Sendable (Connection) -> Void) -> Never {
    let room = DispatchSemaphore(value: Self.mostConnections)
    while true {
      var descriptors = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      guard poll(&descriptors, nfds_t(descriptors.count), -1) > 0 else { continue }
      for descriptor in descriptors where descriptor.revents != 0 {
        let socket = accept(descriptor.fd, nil, nil)
        guard socket >= 0 else {
          // No descriptors are left, or the client has gone: not at once again.
          usleep(10_000)
          continue
        }
        let connection = Connection(socket)
        guard room.wait(timeout: .now()) == .success else {
          let full = Response(
            refusal: Refusal(503, "\(Self.mostConnections) connections are open; close some"))
          try? connection.send(full.bytes(keepsAlive: false))
          continue
        }
        let thread = Thread {
          body(connection)
          room.signal()
        }
        thread.stackSize = 8 << 20
        thread.start()
      }
    }
  }
}

/// A port that cannot be listened on.
struct PortTaken: UserError {
  let port: Int?
  var description: String {
    port.map { "port \($0) cannot be listened on: another program has it, or it is not for you; " }
      .map { $0 + "choose another with --port, or leave it out" }
      ?? "none of the ports 8642 to 8741 is free; choose another with --port"
  }
}
