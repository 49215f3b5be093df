import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// Files that `numpy.save` wrote: `Scripts/goldens/numpy_files.py`.
@Suite struct NumPyFileTests {
  private let goldens = Goldens()

  private func path(_ name: String) -> String { goldens("numpy/\(name).npy") }

  @Test(arguments: ["f2", "f4", "f8", "swapped", "columns", "version2"]) func arraysAreRead(_ name: String)
    throws
  {
    #expect(try NumPyFile.isOne(path(name)))
    let found = try NumPyFile(contentsOf: path(name)).tensor()
    #expect(found.shape == [2, 3, 4])
    #expect(found.elements == (0..<24).map { Float($0 - 7) / 4 })
  }

  @Test func aVectorHasOneAxis() throws {
    let found = try NumPyFile(contentsOf: path("vector"))
    #expect(found.shape == [4] && found.tensor().elements == [-1.75, -1.5, -1.25, -1])
  }

  /// Headers as other writers make them, each of which `numpy.load` of 2.x takes for the same array.
  @Test(arguments: [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4)}",
    "{'descr':'<f4','fortran_order':False,'shape':(2,3,4,),}",
    "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3, 4, )}",
    "{ 'shape' : ( 2 , 3 , 4 ) , 'fortran_order' : False , 'descr' : '|f4' }",
    "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (2, 3, 4)}",
    "{'descr': 'f4', 'fortran_order': False, 'shape': (2L, 3L, 4L)}",
    "{'descr': 'float32',\n 'fortran_order': False,\n 'shape': (2, 3, 4)}\n",
  ]) func headersOfOtherWritersAreRead(_ header: String) throws {
    let folder = try TemporaryFolder()
    let values = (0..<24).flatMap { withUnsafeBytes(of: Float($0), Array.init) }
    let path = try folder.write(
      NumPyFile.magic + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + values, to: "x.npy")
    let found = try NumPyFile(contentsOf: path).tensor()
    #expect(found.shape == [2, 3, 4] && found.elements == (0..<24).map { Float($0) })
  }

  @Test(arguments: ["(2, , 12)", "(2, 12", "(2, x)", "(2, -12)", "[2, 12]", "(2, 12L L)"])
  func shapesThatAreNoneAreRefused(_ shape: String) throws {
    let folder = try TemporaryFolder()
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape)}"
    let path = try folder.write(
      NumPyFile.magic + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
        + Array(repeating: 0, count: 96), to: "x.npy")
    #expect(errorMessage { try NumPyFile(contentsOf: path) } != "")
  }

  @Test func otherNumbersAreRefused() throws {
    let path = path("refused-integers")
    #expect(
      errorMessage { try NumPyFile(contentsOf: path) }
        == "'\(path)' holds numbers of the type '<i8', but float16, float32 or float64 ('f2', 'f4', 'f8') are needed; "
        + "convert it with .astype(\"float32\")")
  }

  @Test func damagedFilesAreRefused() throws {
    let folder = try TemporaryFolder()
    let whole = Array(try Data(contentsOf: URL(fileURLWithPath: path("f4"))))
    func message(_ bytes: some Sequence<UInt8>) throws -> String {
      let path = try folder.write(Array(bytes), to: "x.npy")
      return errorMessage { try NumPyFile(contentsOf: path) }.replacing("'\(path)' ", with: "")
    }
    #expect(
      try message(whole.dropLast(4))
        == "has 92 bytes of numbers, but its shape [2, 3, 4] needs 24 of 4 bytes; write it again")
    // Another array behind the first: `numpy.load` reads the first alone.
    let two = try NumPyFile(contentsOf: folder.write(whole + whole, to: "two.npy"))
    try expectSame(two.tensor(), NumPyFile(contentsOf: path("f4")).tensor(), "two")
    #expect(
      try message(whole.prefix(40)) == "ends inside its header of 118 bytes; write or download it again")
    #expect(try message(whole.dropFirst()) == "is not a file of NumPy (.npy)")
    #expect(try message(whole.prefix(6)) == "is not a file of NumPy (.npy)")
    var broken = whole
    broken[11] = 0x20
    #expect(try message(broken).hasSuffix("which is none of an array"))
    // 2^64 and 24 places: the product begins anew.
    let shape = "(909925049, 861425549, 539392972, 541848962, 29)"
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"
    let start = NumPyFile.magic + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
    #expect(
      try message(start + Array(repeating: 0, count: 96))
        == "has 96 bytes of numbers, but its shape [909925049, 861425549, 539392972, 541848962, 29] needs too many of 4 "
        + "bytes; write it again")
    // Every file cut anywhere is a refusal, never a trap.
    for count in 1..<whole.count { #expect(try !message(whole.prefix(count)).isEmpty) }
  }
}
