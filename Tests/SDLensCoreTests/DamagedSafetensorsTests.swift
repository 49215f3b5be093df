import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct DamagedSafetensorsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// What is said of a file of these bytes, between the name of the file and the advice.
  private func reason(_ bytes: some Sequence<UInt8>) throws -> String {
    let path = try folder.write(bytes, to: "x")
    let message = errorMessage { try Safetensors(contentsOf: path) }
    let (start, end) = ("'\(path)' is not a whole safetensors file: ", "; download or write it again")
    guard message.hasPrefix(start), message.hasSuffix(end) else { return "'\(message)'" }
    return String(message.dropFirst(start.count).dropLast(end.count))
  }

  @Test func aFileShorterThanItsHeader() throws {
    #expect(try reason([1, 2, 3]) == "it has 3 bytes, but the length of the header alone takes 8")
    #expect(
      try reason(bytes(of: [1000] as [UInt64]) + Array("{}".utf8))
        == "its header should be 1000 bytes long, but the file has only 10")
    #expect(
      try reason(bytes(of: [100_000_001] as [UInt64]) + Array("{}".utf8))
        == "its header should be 100000001 bytes long, but at most 100000000 are allowed")
    #expect(
      try reason(bytes(of: [UInt64.max] as [UInt64]) + Array("{}".utf8))
        == "its header should be 18446744073709551615 bytes long, but at most 100000000 are allowed")
  }

  @Test func aHeaderThatIsNotText() throws {
    #expect(
      try reason(bytes(of: [4] as [UInt64]) + [0x7B, 0xFF, 0xFE, 0x7D]) == "its header is not UTF-8 text")
  }

  @Test(arguments: [
    ("", "its header does not begin with '{'"),
    ("[]", "its header does not begin with '{'"),
    ("{", "in its header, unexpected end of file during JSON parse"),
    ("{}x", "in its header, invalid value around character 2"),
    (#"{"a":1}"#, "in its header, 'a' must be an object, but a number was found"),
    ("{\"a\":{}}", "in its header, 'a' has no 'dtype'"),
    (
      #"{"__metadata__":{"a":1}}"#,
      "in its header, '__metadata__.a' must be a text, but a number was found"
    ),
    (
      #"{"a":"# + String(repeating: "[", count: 100_000),
      "in its header, too many nested arrays or dictionaries around character 517"
    ),
    (
      String(repeating: #"{"a":"#, count: 100_000),
      "in its header, too many nested arrays or dictionaries around character 2561"
    ),
  ])
  func aHeaderThatIsNotTheRightJSON(header: String, message: String) throws {
    #expect(try reason(safetensorsBytes(header)) == message)
  }

  @Test(arguments: [
    (
      "F31", "[2]", "[0,8]",
      "'a' has dtype 'F31', but only BOOL, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, U16, I16, "
        + "F16, BF16, U32, I32, F32, U64, I64, F64, C64 are known"
    ),
    (
      "F32", "[-2]", "[0,8]",
      "'a' has shape [-2], but a shape needs extents of at least 0 and a size below 2^63"
    ),
    ("F32", "[1.5]", "[0,8]", "in its header, 'a.shape[0]': 1.5 is not a whole number below 2^63"),
    (
      "F32", "[2,99999999999999999999]", "[0,8]",
      "in its header, 'a.shape[1]': 1e+20 is not a whole number below 2^63"
    ),
    (
      "F32", "[true]", "[0,8]",
      "in its header, 'a.shape[0]' must be a whole number, but true or false was found"
    ),
    (
      "F32", "[4294967296, 4294967296]", "[0,8]",
      "'a' has shape [4294967296, 4294967296], but a shape needs extents of at least 0 and a size below 2^63"
    ),
    (
      "F32", "[9223372036854775807]", "[0,8]",
      "'a' has shape [9223372036854775807], but a shape needs extents of at least 0 and a size below 2^63"
    ),
    (
      "F32", "[2]", "[8,0]", "'a' has data_offsets [8, 0], but a start and an end not before it are needed"
    ),
    (
      "F32", "[2]", "[-8,0]", "'a' has data_offsets [-8, 0], but a start and an end not before it are needed"
    ),
    ("F32", "[2]", "[0]", "'a' has data_offsets [0], but a start and an end not before it are needed"),
    (
      "F32", "[2]", "[0,1e30]", "in its header, 'a.data_offsets[1]': 1e+30 is not a whole number below 2^63"
    ),
    ("F32", "[3]", "[0,8]", "'a' has 8 bytes, but F32 [3] needs 12"),
    ("F16", "[2]", "[0,8]", "'a' has 8 bytes, but F16 [2] needs 4"),
    ("F32", "[4]", "[0,16]", "its tensors need 16 bytes of data, but the file has 8"),
    ("F32", "[1]", "[0,4]", "its tensors need 4 bytes of data, but the file has 8"),
    ("F32", "[1]", "[4,8]", "'a' starts at byte 4 of the data, but the tensor before it ends at 0"),
    (
      "F32", "[2305843009213693951]", "[3,9223372036854775807]",
      "'a' starts at byte 3 of the data, but the tensor before it ends at 0"
    ),
  ])
  func aTensorThatDoesNotFit(type: String, shape: String, offsets: String, message: String) throws {
    let header = #"{"a":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}}"#
    #expect(try reason(safetensorsBytes(header, data: [UInt8](repeating: 0, count: 8))) == message)
  }

  @Test(arguments: [
    ("b", 2, "'b' starts at byte 2 of the data, inside another tensor that ends at 4"),
    ("b", 0, "'b' starts at byte 0 of the data, inside another tensor that ends at 4"),
    ("b", 8, "'b' starts at byte 8 of the data, but the tensor before it ends at 4"),
    // A name given twice: the second is not seen, and its bytes belong to nobody.
    ("a", 4, "its tensors need 4 bytes of data, but the file has 8"),
  ])
  func twoTensorsThatDoNotFit(name: String, start: Int, message: String) throws {
    let header =
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
      + #""\#(name)":{"dtype":"F32","shape":[1],"data_offsets":[\#(start),\#(start + 4)]}}"#
    #expect(try reason(safetensorsBytes(header, data: [UInt8](repeating: 0, count: 8))) == message)
  }
}
