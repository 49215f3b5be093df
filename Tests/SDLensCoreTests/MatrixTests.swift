import SDLensCore
import SDLensTestSupport
import Testing

@Suite struct MatrixTests {
  private func random(_ rows: Int, _ columns: Int, seed: Int) -> Matrix {
    Matrix(Tensor.random([rows, columns], seed: seed))
  }

  private func reference(_ a: Matrix, _ b: Matrix) -> Matrix {
    var c = Matrix(rows: a.rows, columns: b.columns)
    for i in 0..<a.rows {
      for j in 0..<b.columns { for k in 0..<a.columns { c[i, j] += a[i, k] * b[k, j] } }
    }
    return c
  }

  private func transposed(_ a: Matrix) -> Matrix {
    var t = Matrix(rows: a.columns, columns: a.rows)
    for i in 0..<a.rows { for j in 0..<a.columns { t[j, i] = a[i, j] } }
    return t
  }

  @Test(arguments: [(1, 1, 1), (3, 5, 7), (70, 40, 33), (200, 3, 129), (2, 0, 3)], [1, 3])
  func productsAreSums(size: (Int, Int, Int), threads: Int) {
    let (a, b) = (random(size.0, size.1, seed: 1), random(size.1, size.2, seed: 2))
    let wanted = reference(a, b)
    withThreads(threads) {
      for found in [a * b, transposed(a).transposed(times: b), a.times(transposed: transposed(b))] {
        #expect(found.rows == wanted.rows && found.columns == wanted.columns)
        #expect(zip(found.elements, wanted.elements).allSatisfy { abs($0 - $1) < 1e-12 })
      }
    }
  }

  @Test func rowsAndColumnsAreTaken() {
    let a = Matrix([1, 2, 3, 4, 5, 6], rows: 2, columns: 3)
    #expect(a.columns(at: [2, 0]) == Matrix([3, 1, 6, 4], rows: 2, columns: 2))
    #expect(a.rows(at: [1]) == Matrix([4, 5, 6], rows: 1, columns: 3))
  }

  // a v = λ v, vectors orthonormal, values falling
  @Test(arguments: [1, 2, 17, 60]) func eigenvectorsAreScaled(size: Int) throws {
    let half = random(size, size, seed: 3)
    let a = half.transposed(times: half)
    let (values, vectors) = try LAPACK.symmetricEigen(a)
    #expect(values == values.sorted(by: >))
    let (image, gram) = (vectors * a, vectors.times(transposed: vectors))
    for i in 0..<size {
      for j in 0..<size {
        #expect(abs(image[i, j] - values[i] * vectors[i, j]) < 1e-12 * values[0] * Double(size))
        #expect(abs(gram[i, j] - (i == j ? 1 : 0)) < 1e-12)
      }
      #expect(vectors.row(i).max { abs($0) < abs($1) } ?? 0 > 0)
    }
  }

  @Test func aMatrixThatIsNotFiniteIsRefused() {
    #expect(
      errorMessage { try LAPACK.symmetricEigen(Matrix([1, .nan, .nan, 1], rows: 2, columns: 2)) }
        == "a matrix of statistics holds NaN or infinity; the vectors it was made of must be finite")
  }
}
