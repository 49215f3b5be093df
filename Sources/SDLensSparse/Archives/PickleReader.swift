/// Reads a pickle (protocols 2 to 5) without executing anything: a stack machine that knows the operations and
/// names of plain data and tensors and refuses all others by name.
///
/// Every operation takes at least one byte and makes at most one value, so memory stays in proportion to the
/// size of the file.
///
/// Source: https://docs.python.org/3/library/pickletools.html
package struct PickleReader {
  /// Longer pickles hold something else than names and shapes of tensors.
  package static let longest = 1 << 24
  /// The most lists, tuples and dictionaries; a tensor has about six.
  static let mostContainers = 1 << 18

  private var bytes: ArraySlice<UInt8>
  private var stack: [Pickle] = []
  private var marks: [Int] = []
  private var memo: [Int: Pickle] = [:]
  private let tree = Pickle.Tree()
  /// Entries that dictionaries were made from.
  private var given = 0

  /// Reads a whole pickle.
  ///
  /// - Throws: `Pickle.Problem`.
  package static func tree(of bytes: [UInt8]) throws -> Pickle.Tree {
    guard bytes.count <= longest else {
      throw Pickle.Problem.malformed("it has \(bytes.count) bytes, but at most \(longest) are read")
    }
    var reader = PickleReader(bytes: bytes[...])
    reader.tree.root = try reader.run()
    return reader.tree
  }

  private init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  private mutating func run() throws -> Pickle {
    while true {
      let code = try byte()
      switch code {
      case 0x80: guard 2...5 ~= (try byte()) else { throw malformed("its protocol is not 2 to 5") }
      case 0x95: _ = try number(8)
      case UInt8(ascii: "."):
        let value = try pop()
        guard stack.isEmpty && marks.isEmpty else { throw malformed("values are left at its end") }
        return value
      case UInt8(ascii: "N"): stack.append(.none)
      case 0x88: stack.append(.bool(true))
      case 0x89: stack.append(.bool(false))
      case UInt8(ascii: "K"): stack.append(.int(try number(1)))
      case UInt8(ascii: "M"): stack.append(.int(try number(2)))
      case UInt8(ascii: "J"): stack.append(.int(Int(Int32(truncatingIfNeeded: try number(4)))))
      case 0x8A: stack.append(try long(try number(1)))
      case 0x8B: stack.append(try long(try number(4)))
      case UInt8(ascii: "G"):
        let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        stack.append(.double(Double(bitPattern: bits)))
      case UInt8(ascii: "X"): stack.append(.string(try text(try number(4))))
      case 0x8C: stack.append(.string(try text(try number(1))))
      case 0x8D: stack.append(.string(try text(try number(8))))
      case UInt8(ascii: "U"), UInt8(ascii: "C"): try skip(try number(1), "bytes")
      case UInt8(ascii: "T"), UInt8(ascii: "B"): try skip(try number(4), "bytes")
      case 0x8E, 0x96: try skip(try number(8), "bytes")
      case UInt8(ascii: "("): marks.append(stack.count)
      case UInt8(ascii: ")"): try pushTuple([])
      case UInt8(ascii: "t"): try pushTuple(try popMark())
      case 0x85, 0x86, 0x87: try pushTuple(try pop(Int(code) - 0x84))
      case UInt8(ascii: "]"): try push { .list($0.list()) }
      case UInt8(ascii: "a"):
        let value = try pop()
        try append([value])
      case UInt8(ascii: "e"):
        let values = try popMark()
        try append(values)
      case UInt8(ascii: "}"): try push { .dictionary($0.dictionary()) }
      case UInt8(ascii: "s"):
        let pair = try pop(2)
        try set(pair)
      case UInt8(ascii: "u"):
        let pairs = try popMark()
        try set(pairs)
      case UInt8(ascii: "q"): memo[try number(1)] = try top()
      case UInt8(ascii: "r"): memo[try number(4)] = try top()
      case 0x94: memo[memo.count] = try top()
      case UInt8(ascii: "h"): try recall(try number(1))
      case UInt8(ascii: "j"): try recall(try number(4))
      case UInt8(ascii: "c"): try name(module: try line(), try line())
      case 0x93:
        let names = try pop(2).map(\.string)
        guard let module = names[0], let name = names[1] else { throw malformed("a name is not a text") }
        try self.name(module: module, name)
      case UInt8(ascii: "Q"): stack.append(try TorchStorage.named(try pop()))
      case UInt8(ascii: "R"):
        let (arguments, callee) = (try pop(), try pop())
        try rebuild(callee, arguments)
      // A new object of a class: of those known, one that is not needed.
      case 0x81:
        let (arguments, callee) = (try pop(), try pop())
        guard case .global(.plain(let name)) = callee, arguments.tuple != nil else {
          throw malformed("it makes an object of \(callee.kind)")
        }
        stack.append(.other("a \(name)"))
      case 0x8F: stack.append(.other("a set"))
      case 0x90:
        _ = try popMark()
        guard case .other("a set") = try top() else { throw malformed("it adds to \(try top().kind)") }
      case 0x91:
        _ = try popMark()
        stack.append(.other("a set"))
      case UInt8(ascii: "b"):
        let state = try pop()
        try build(state)
      default: throw malformed("operation 0x\(String(code, radix: 16)) is not one that tensors need")
      }
    }
  }

  // MARK: operations

  private mutating func name(module: String, _ name: String) throws {
    guard let global = Pickle.Global(module: module, name: name) else {
      throw Pickle.Problem.forbidden("\(module).\(name)")
    }
    stack.append(.global(global))
  }

  /// What Python would call: an empty dictionary, a tensor of a storage, or a parameter, which is its tensor.
  private mutating func rebuild(_ callee: Pickle, _ arguments: Pickle) throws {
    guard case .global(let global) = callee, let arguments = arguments.tuple else {
      throw malformed("it calls \(callee.kind)")
    }
    switch global {
    case .orderedDictionary:
      guard arguments.isEmpty || arguments.count == 1 && arguments[0].sequence != nil else {
        throw malformed("an OrderedDict is made from values")
      }
      try push { .dictionary($0.dictionary()) }
      let pairs = arguments.first?.sequence ?? []
      // One list may be recalled again and again.
      given += pairs.count
      for pair in pairs {
        guard given <= Self.mostContainers, let pair = pair.sequence, pair.count == 2 else {
          throw malformed("an OrderedDict is made from values")
        }
        try set(pair)
      }
    case .rebuildTensor:
      // A storage that is not read makes a tensor that is not.
      if case .other(let storage)? = arguments.first {
        stack.append(.other("a tensor of \(storage)"))
      } else {
        stack.append(.tensor(try TorchTensor(arguments: arguments)))
      }
    case .rebuildParameter:
      switch arguments.first {
      case .tensor(let tensor): stack.append(.tensor(tensor))
      case .other(let name): stack.append(.other(name))
      default: throw malformed("a parameter is no tensor")
      }
    case .rebuildFromType:
      guard arguments.count == 4, case .global(let function) = arguments[0], function != .rebuildFromType
      else {
        throw malformed("it describes a tensor in an unknown way")
      }
      try rebuild(arguments[0], arguments[2])
    case .storage(let element): throw malformed("it calls torch.\(element.rawValue)")
    case .plain(let name): stack.append(.other("a \(name)"))
    }
  }

  /// Attributes are set on nothing but a dictionary, where PyTorch keeps the versions of modules, and what is not
  /// read; they are not needed.
  private func build(_ state: Pickle) throws {
    switch (try top(), state) {
    case (.dictionary, .dictionary), (.other, _): break
    default: throw malformed("it sets attributes of \(try top().kind)")
    }
  }

  private func append(_ values: [Pickle]) throws {
    guard case .list(let list) = try top() else { throw malformed("it appends to \(try top().kind)") }
    list.elements += values
  }

  /// Sets entries of a dictionary; those whose keys are numbers, tuples and the like are passed over.
  private func set(_ pairs: [Pickle]) throws {
    guard pairs.count % 2 == 0 else { throw malformed("a key has no value") }
    switch try top() {
    case .dictionary(let dictionary):
      for index in stride(from: 0, to: pairs.count, by: 2) {
        if let key = pairs[index].string { dictionary.values[key] = pairs[index + 1] }
      }
    case .other: break
    default: throw malformed("it sets entries of \(try top().kind)")
    }
  }

  private mutating func recall(_ index: Int) throws {
    guard let value = memo[index] else { throw malformed("it recalls value \(index), which it has not kept") }
    stack.append(value)
  }

  // MARK: stack

  /// Puts a value that holds others on the stack.
  private mutating func push(_ container: (Pickle.Tree) -> Pickle) throws {
    guard tree.count < Self.mostContainers else {
      throw malformed("it has more than \(Self.mostContainers) lists, tuples and dictionaries")
    }
    stack.append(container(tree))
  }

  private mutating func pushTuple(_ elements: [Pickle]) throws { try push { .tuple($0.list(elements)) } }

  private func top() throws -> Pickle {
    guard let top = stack.last, stack.count > marks.last ?? 0 else { throw malformed("a value is missing") }
    return top
  }

  private mutating func pop() throws -> Pickle {
    let value = try top()
    stack.removeLast()
    return value
  }

  private mutating func pop(_ count: Int) throws -> [Pickle] {
    guard stack.count - (marks.last ?? 0) >= count else { throw malformed("values are missing") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popMark() throws -> [Pickle] {
    guard let mark = marks.last else { throw malformed("a mark is missing") }
    let values = try pop(stack.count - mark)
    marks.removeLast()
    return values
  }

  // MARK: bytes

  private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard 0...bytes.count ~= count else { throw malformed("it ends in the middle") }
    defer { bytes = bytes.dropFirst(count) }
    return bytes.prefix(count)
  }

  private mutating func byte() throws -> UInt8 { try take(1).first! }

  /// An unsigned number of `size` bytes, little-endian.
  private mutating func number(_ size: Int) throws -> Int {
    let bits = try take(size).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard let number = Int(exactly: bits) else { throw malformed("the number \(bits) is too large") }
    return number
  }

  /// A number of `size` bytes in two's complement, little-endian; what is beyond 64 bits is no size of ours.
  private mutating func long(_ size: Int) throws -> Pickle {
    let digits = try take(size)
    guard size <= 8 else { return .other("a number of \(size) bytes") }
    let start: Int = digits.last.map { $0 & 0x80 != 0 } == true ? -1 : 0
    return .int(digits.reversed().reduce(start) { $0 << 8 | Int($1) })
  }

  private mutating func skip(_ count: Int, _ what: String) throws {
    _ = try take(count)
    stack.append(.other(what))
  }

  private mutating func text(_ count: Int) throws -> String {
    guard let text = String(validating: try take(count), as: UTF8.self) else {
      throw malformed("a text is not UTF-8")
    }
    return text
  }

  private mutating func line() throws -> String {
    guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { throw malformed("it ends in the middle") }
    let line = try text(end - bytes.startIndex)
    bytes = bytes.dropFirst()
    return line
  }

  private func malformed(_ reason: String) -> Pickle.Problem { .malformed(reason) }
}
