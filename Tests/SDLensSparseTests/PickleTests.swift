import SDLensSparse
import SDLensTestSupport
import Testing

/// Pickles that somebody wrote by hand.
@Suite struct PickleTests {
  private func reason(_ bytes: [UInt8]) -> String {
    do {
      _ = try PickleReader.tree(of: bytes)
      return ""
    } catch let problem as Pickle.Problem {
      return problem.reason
    } catch {
      return "\(error)"
    }
  }

  private func text(_ text: String) -> [UInt8] { [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) }

  /// A tensor over a storage of 6 floats, by offset, sizes and strides.
  private func tensor(offset: Int, _ sizes: [Int], _ strides: [Int], count: Int = 6) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] { [0x8A, 8] + bytes(of: [Int64(value)]) }
    func tuple(_ values: [Int]) -> [UInt8] { Array("(".utf8) + values.flatMap(number) + Array("t".utf8) }
    return Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8) + text("storage")
      + Array("ctorch\nFloatStorage\n".utf8) + text("0") + text("cpu") + number(count) + Array("tQ".utf8)
      + number(offset) + tuple(sizes) + tuple(strides) + Array([0x89]) + Array("}tR.".utf8)
  }

  @Test func aTensorIsRead() throws {
    guard case .tensor(let tensor) = try PickleReader.tree(of: tensor(offset: 1, [2, 2], [3, 1])).root else {
      throw Pickle.Problem.malformed("no tensor")
    }
    #expect(tensor.offset == 1 && tensor.sizes == [2, 2] && tensor.strides == [3, 1])
    #expect(tensor.storage.element == .float && tensor.storage.key == "0" && tensor.storage.count == 6)
  }

  @Test(arguments: [
    (0, [7], [1]), (1, [6], [1]), (-1, [2], [1]), (0, [2, 2], [5, 1]), (0, [1 << 26, 2], [0, 0]),
    (0, [-1], [1]),
    (0, [2], [-1]), (0, [1 << 62, 4], [0, 0]), (0, [1 << 40], [1 << 40]), (5, [2], [.max]), (0, [2], []),
    (7, [0], [1]),
  ]) func aViewOutsideOfItsStorageIsRefused(offset: Int, sizes: [Int], strides: [Int]) {
    #expect(reason(tensor(offset: offset, sizes, strides)).contains("does not lie within its storage of 6"))
  }

  @Test(arguments: [-1, 1 << 62]) func aStorageOfNoSizeIsRefused(count: Int) {
    #expect(
      reason(tensor(offset: 0, [1], [1], count: count)).contains("describes a storage in an unknown way"))
  }

  static let mistakes: [(String, String)] = [
    ("", "it ends in the middle"), (".", "a value is missing"), ("N", "it ends in the middle"),
    ("NN.", "values are left at its end"), ("(N.", "values are left at its end"), ("t.", "a mark is missing"),
    ("(R.", "a value is missing"), ("NNs.", "a value is missing"), ("NNNs.", "it sets entries of None"),
    ("}(Nu.", "a key has no value"),
    ("NNa.", "it appends to None"), ("h\u{1}.", "it recalls value 1, which it has not kept"),
    ("NNR.", "it calls None"), ("ctorch\nFloatStorage\n)R.", "it calls torch.FloatStorage"),
    ("N}b.", "it sets attributes of None"), ("NQ.", "it describes a storage in an unknown way"),
    ("ccollections\nOrderedDict\n(NtR.", "an OrderedDict is made from values"),
    ("ctorch._utils\n_rebuild_tensor_v2\n)R.", "it describes a tensor in an unknown way"),
    ("ctorch._utils\n_rebuild_parameter\n)R.", "a parameter is no tensor"),
    ("I1\n.", "operation 0x49 is not one that tensors need"), ("i", "operation 0x69 is not one"),
    ("X\u{7F}\u{7F}\u{7F}\u{7F}", "it ends in the middle"),
    ("c" + String(repeating: "x", count: 99), "it ends"),
    ("cos\nsystem\n.", "asks for 'os.system'"), ("ctorch\nload\n.", "asks for 'torch.load'"),
  ]

  @Test(arguments: mistakes) func isRefused(pickle: String, says: String) {
    #expect(reason(Array(pickle.utf8)).contains(says), "\(reason(Array(pickle.utf8)))")
  }

  @Test func deepNestingIsRefused() {
    let deep = [UInt8(ascii: "N")] + Array(repeating: 0x85, count: 1_000_000) + [UInt8(ascii: ".")]
    #expect(reason(deep).contains("it has more than 262144 lists, tuples and dictionaries"))
  }

  @Test func aLongPickleIsRefused() {
    #expect(
      reason(Array(repeating: 0, count: PickleReader.longest + 1)).contains("but at most 16777216 are read"))
  }

  /// What is plain for Python and nothing to us, between two values that are kept.
  @Test(arguments: [
    "}NNs", "}K\u{1}Ns", "}G\0\0\0\0\0\0\0\0Ns", "U\u{2}ab", "ctorch\nfloat32\n", "ctorch\nSize\n((K\u{2}ttR",
    "ctorch\ndevice\n(X\u{3}\0\0\0cpuK\0tR", "c__builtin__\nset\n(]tR", "ctorch._utils\n_rebuild_qtensor\n)R",
    "ccollections\nCounter\n(}tR", "c_codecs\nencode\n)R", "ccollections\nOrderedDict\n(]]NaNaatR",
  ]) func plainDataIsPassedOver(pickle: String) throws {
    let bytes = Array("(K\u{7}\(pickle)K\u{9}t.".utf8)
    let tree = try PickleReader.tree(of: bytes)
    guard case .tuple(let found) = tree.root else { throw Pickle.Problem.malformed("no tuple") }
    defer { withExtendedLifetime(tree) {} }
    #expect(found.elements.count == 3)
    #expect(found.elements.first?.int == 7 && found.elements.last?.int == 9)
  }

  /// A list within itself, and a list within a list within …, are freed like any other.
  @Test func circlesAndDepthsAreFreed() throws {
    _ = try PickleReader.tree(of: Array("]q\u{1}h\u{1}a.".utf8))
    _ = try PickleReader.tree(
      of: Array((String(repeating: "(", count: 200_000) + "N").utf8)
        + Array(repeating: UInt8(ascii: "t"), count: 200_000) + Array(".".utf8))
  }

  @Test func objectsAreMadeOfPlainClassesOnly() {
    let parameter = Array("ctorch.nn.parameter\nParameter\n)".utf8) + [0x81] + Array(".".utf8)
    #expect(reason(parameter) == "")
    #expect(reason(Array("N)".utf8) + [0x81] + Array(".".utf8)).contains("it makes an object of None"))
    let storage = Array("ctorch\nFloatStorage\n)".utf8) + [0x81] + Array(".".utf8)
    #expect(reason(storage).contains("it makes an object of a class"))
  }

  @Test func numbersOfAllSizes() throws {
    for (bytes, value) in [
      ([0x4B, 0xFF], 255), ([0x4D, 0xFF, 0xFF], 65535), ([0x4A, 0xFE, 0xFF, 0xFF, 0xFF], -2), ([0x8A, 0], 0),
      ([0x8A, 1, 0xFF], -1), ([0x8A, 2, 0xFF, 0], 255), ([0x8A, 8, 0, 0, 0, 0, 0, 0, 0, 0x80], Int.min),
    ] as [([UInt8], Int)] {
      #expect(try PickleReader.tree(of: bytes + [UInt8(ascii: ".")]).root.int == value)
    }
  }
}
