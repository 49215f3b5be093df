import CCurl
import Foundation
import SDLensCore

/// Sends requests over HTTP, each in one blocking call of libcurl, with an end to everything: to connecting, to the
/// whole exchange, to the size of an answer. Redirections are not followed, so that a key goes nowhere else.
struct HTTPClient: Sendable {
  /// How long connecting may take.
  var connectLimit = Duration.seconds(30)
  /// How long a request may take, from its first byte to the last of the answer.
  var timeLimit = Duration.seconds(300)
  /// The most bytes of an answer.
  var mostBytes = 16 << 20

  /// What came back.
  struct Response: Sendable {
    let status: Int
    /// By their names in small letters.
    let headers: [String: String]
    let body: [UInt8]
  }

  /// Why nothing came back.
  struct Failure: Error {
    /// As in `Couldn't connect to server`.
    let reason: String
  }

  /// Once, before there is a second thread that asks.
  private static let isReady = {
    // A server that leaves is an error of libcurl's, not the end of the program.
    signal(SIGPIPE, SIG_IGN)
    return curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
  }()

  /// Posts a body, and waits for the answer.
  ///
  /// - Throws: `Failure`.
  func post(_ body: [UInt8], to url: String, headers: [String]) throws -> Response {
    guard Self.isReady, let curl = curl_easy_init() else { throw Failure(reason: "libcurl cannot be used") }
    defer { curl_easy_cleanup(curl) }
    var list: UnsafeMutablePointer<curl_slist>?
    defer { curl_slist_free_all(list) }
    // Without the second, libcurl would wait a second for a server's consent.
    for header in headers + ["Expect:"] { list = curl_slist_append(list, header) }
    let received = Received(most: mostBytes)
    let target = Unmanaged.passUnretained(received).toOpaque()
    let code = withExtendedLifetime(received) {
      url.withCString { url in
        body.withUnsafeBufferPointer { body in
          "http,https".withCString { protocols in
            "sdlens/\(Version.current)".withCString { agent in
              _ = curl_set_pointer(curl, CURLOPT_URL, url)
              _ = curl_set_pointer(curl, CURLOPT_PROTOCOLS_STR, protocols)
              _ = curl_set_pointer(curl, CURLOPT_USERAGENT, agent)
              _ = curl_set_pointer(curl, CURLOPT_HTTPHEADER, list)
              _ = curl_set_number(curl, CURLOPT_POST, 1)
              _ = curl_set_size(curl, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
              _ = curl_set_pointer(curl, CURLOPT_POSTFIELDS, body.baseAddress)
              _ = curl_set_number(curl, CURLOPT_CONNECTTIMEOUT_MS, connectLimit.milliseconds)
              _ = curl_set_number(curl, CURLOPT_TIMEOUT_MS, timeLimit.milliseconds)
              // No signals: there are other threads.
              _ = curl_set_number(curl, CURLOPT_NOSIGNAL, 1)
              _ = curl_set_receiver(curl, CURLOPT_WRITEFUNCTION) { Received.body($0, $1, $2, $3) }
              _ = curl_set_pointer(curl, CURLOPT_WRITEDATA, target)
              _ = curl_set_receiver(curl, CURLOPT_HEADERFUNCTION) { Received.header($0, $1, $2, $3) }
              _ = curl_set_pointer(curl, CURLOPT_HEADERDATA, target)
              return curl_easy_perform(curl)
            }
          }
        }
      }
    }
    if received.isTooLong { throw Failure(reason: "the answer is longer than \(mostBytes) bytes") }
    guard code == CURLE_OK else { throw Failure(reason: String(cString: curl_easy_strerror(code))) }
    var status = 0
    _ = curl_get_number(curl, CURLINFO_RESPONSE_CODE, &status)
    return Response(status: status, headers: received.headers, body: received.bytes)
  }

  /// What libcurl hands over, piece by piece, on the thread that asked.
  private final class Received {
    let most: Int
    var bytes: [UInt8] = []
    var headers: [String: String] = [:]
    var isTooLong = false

    init(most: Int) { self.most = most }

    private static func of(_ target: UnsafeMutableRawPointer?) -> Received? {
      target.map { Unmanaged<Received>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Takes a piece of the body; any other number than all its bytes ends the exchange.
    static func body(
      _ piece: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ target: UnsafeMutableRawPointer?
    ) -> Int {
      guard let own = of(target), let piece else { return 0 }
      guard own.bytes.count + size * count <= own.most else {
        own.isTooLong = true
        return 0
      }
      own.bytes += UnsafeRawBufferPointer(start: piece, count: size * count)
      return size * count
    }

    /// Takes a line of the head.
    static func header(
      _ piece: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ target: UnsafeMutableRawPointer?
    ) -> Int {
      guard let own = of(target), let piece else { return 0 }
      let line = String(decoding: UnsafeRawBufferPointer(start: piece, count: size * count), as: UTF8.self)
      if let colon = line.firstIndex(of: ":") {
        own.headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
          in: .whitespacesAndNewlines)
      }
      return size * count
    }
  }
}

extension Duration {
  /// In whole milliseconds.
  var milliseconds: Int { Int(self / .milliseconds(1)) }
}
