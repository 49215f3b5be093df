import SDLensCore

extension TorchFile {
  /// What can be written: a tensor of floats or whole numbers with any strides, or dictionaries of them.
  package indirect enum Item {
    /// All elements of a tensor; with `transposed`, a matrix whose rows are its columns.
    case floats(Tensor, transposed: Bool = false)
    case integers([Int64])
    /// Names in the order given.
    case dictionary([(String, Item)])
  }

  /// Writes a file that `torch.load(weights_only=True)` reads, always as the same bytes.
  ///
  /// - Throws: `FileError` when the folder or the disk does not take it.
  package static func write(_ item: Item, to path: String) throws {
    var pickle = TorchPickle()
    pickle.add(item)
    let folder = "archive/"
    try ZipFile.write(
      [.init(folder + "data.pkl", [0x80, 2] + pickle.bytes + [UInt8(ascii: ".")])]
        + [.init(folder + "byteorder", Array("little".utf8))]
        + pickle.storages.enumerated().map { index, item in
          .init("\(folder)data/\(index)") { body in try item.withBytes(body) }
        }
        + [.init(folder + "version", Array("3\n".utf8))], to: path)
  }
}

extension TorchFile.Item {
  fileprivate func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    switch self {
    case .floats(let tensor, _): try tensor.withElements { try body(UnsafeRawBufferPointer($0)) }
    case .integers(let numbers): try numbers.withUnsafeBytes(body)
    case .dictionary: preconditionFailure("a dictionary has no storage")
    }
  }
}

/// A pickle (protocol 2) of tensors, as `torch.save` writes it but without a memo.
private struct TorchPickle {
  private(set) var bytes: [UInt8] = []
  /// The storages in the order of their keys.
  private(set) var storages: [TorchFile.Item] = []

  mutating func add(_ item: TorchFile.Item) {
    switch item {
    case .floats(let tensor, let transposed):
      var (sizes, strides) = (tensor.shape.extents, tensor.shape.strides)
      if transposed { (sizes, strides) = (sizes.reversed(), strides.reversed()) }
      add(item, "FloatStorage", count: tensor.count, sizes: sizes, strides: strides)
    case .integers(let numbers):
      add(item, "LongStorage", count: numbers.count, sizes: [numbers.count], strides: [1])
    case .dictionary(let entries):
      emptyDictionary()
      code("(")
      for (name, value) in entries {
        text(name)
        add(value)
      }
      code("u")
    }
  }

  /// `_rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks)`.
  private mutating func add(
    _ item: TorchFile.Item, _ storage: String, count: Int, sizes: [Int], strides: [Int]
  ) {
    global("torch._utils", "_rebuild_tensor_v2")
    code("((")
    text("storage")
    global("torch", storage)
    text("\(storages.count)")
    text("cpu")
    number(count)
    code("tQ")
    number(0)
    for list in [sizes, strides] {
      code("(")
      for value in list { number(value) }
      code("t")
    }
    bytes.append(0x89)
    emptyDictionary()
    code("tR")
    storages.append(item)
  }

  private mutating func emptyDictionary() {
    global("collections", "OrderedDict")
    code(")R")
  }

  private mutating func global(_ module: String, _ name: String) { code("c\(module)\n\(name)\n") }

  private mutating func text(_ text: String) {
    code("X")
    bytes += withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian, Array.init) + Array(text.utf8)
  }

  /// LONG1 with eight digits: any number.
  private mutating func number(_ value: Int) {
    bytes += [0x8A, 8] + withUnsafeBytes(of: Int64(value).littleEndian, Array.init)
  }

  private mutating func code(_ codes: String) { bytes += Array(codes.utf8) }
}

extension Shape {
  /// How far apart neighbours along each axis lie in row-major order.
  fileprivate var strides: [Int] {
    extents.indices.map { axis in extents[(axis + 1)...].reduce(1, *) }
  }
}
