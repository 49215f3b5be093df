import CKernels
import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// The kernels of training against plain loops in double precision.
@Suite struct TrainingKernelTests {
  private static let strip = Int(KERNEL_STRIP)

  @Test(arguments: [1, 7, 8, 63, 64, 65, 130, 200], [0, 1, 5]) func weightedSums(width: Int, count: Int) {
    let x = Tensor.random([9, width + 3], seed: 1)
    let (base, weights) = (Tensor.random([width], seed: 2), Tensor.random([6], seed: 3))
    let rows = (0..<Int32(6)).map { $0 * 4 % 9 }
    for isAdded in [false, true] {
      var y = Tensor(repeating: .nan, [width])
      y.withMutableElements { y in
        base.withElements {
          kernel_weighted_sum(
            y.baseAddress!, isAdded ? $0.baseAddress! : nil, -0.5, rows, weights.elements, count, x.elements,
            width + 3, width)
        }
      }
      let wanted = (0..<width).map { c in
        let sum = (0..<count).reduce(0.0) {
          $0 + Double(weights[$1]) * Double(x[Int(rows[$1]) * (width + 3) + c])
        }
        return Float((isAdded ? Double(base[c]) : 0) - 0.5 * sum)
      }
      #expect(Closeness(y.elements, to: wanted).ratio <= 1e-6)
    }
  }

  @Test(arguments: [1, 8, 15, 16, 33, 100], [0, 1, 4, 7]) func dots(width: Int, count: Int) {
    let (w, x) = (Tensor.random([5, width + 1], seed: 1), Tensor.random([width], seed: 2))
    let rows: [Int32] = [4, 0, 3, 3, 1, 2, 0]
    var sums = [Float](repeating: .nan, count: 7)
    kernel_row_dots(&sums, x.elements, rows, count, w.elements, width + 1, width)
    for j in 0..<count {
      let wanted = (0..<width).reduce(0.0) {
        $0 + Double(x[$1]) * Double(w[Int(rows[j]) * (width + 1) + $1])
      }
      #expect(abs(Double(sums[j]) - wanted) < 1e-5)
    }
    #expect(sums[count...].allSatisfy { $0.isNaN })
    let row = w.rows(0..<1).elements
    let wanted = (0..<width).reduce(0.0) { $0 + Double(x[$1]) * Double(row[$1]) }
    #expect(abs(Double(kernel_dot(x.elements, row, width)) - wanted) < 1e-5)
  }

  @Test(arguments: [false, true]) func sparseProducts(add: Bool) {
    let x = Tensor.random([10, Self.strip], seed: 1)
    let starts: [Int32] = [0, 3, 3, 12, 13]
    let indices: [Int32] = [1, 0, 9, 8, 8, 2, 3, 4, 5, 6, 7, 9, 0]
    let weights = Tensor.random([13], seed: 2).elements
    let before = Tensor.random([4, Self.strip], seed: 3)
    var y = before
    y.withMutableElements {
      kernel_sparse_product($0.baseAddress!, add, -2, starts, 4, indices, weights, x.elements)
    }
    var wanted = before
    for o in 0..<4 {
      for c in 0..<Self.strip {
        let sum = (Int(starts[o])..<Int(starts[o + 1])).reduce(0.0) {
          $0 + Double(weights[$1]) * Double(x[Int(indices[$1]) * Self.strip + c])
        }
        let place = o * Self.strip + c
        wanted[place] = Float((add ? Double(before[place]) : 0) - 2 * sum)
      }
    }
    expectClose(y, wanted, within: 1e-6, "product")
  }

  @Test(arguments: [64, 6], [false, true]) func scatteredStrips(width: Int, add: Bool) {
    let (x, before) = (Tensor.random([3, Self.strip], seed: 1), Tensor.random([5, 70], seed: 2))
    let outputs: [Int32] = [4, 0, 3]
    var y = before
    y.withMutableElements {
      kernel_scatter_strip($0.baseAddress!, outputs, 70, width, add, -2, x.elements, 3)
    }
    var wanted = before
    for o in 0..<3 {
      for c in 0..<width {
        let place = Int(outputs[o]) * 70 + c
        wanted[place] = (add ? before[place] : 0) - 2 * x[o * Self.strip + c]
      }
    }
    expectClose(y, wanted, within: 1e-6, "strip")
  }

  @Test(arguments: [1, 7, 64]) func sortedEntries(group: Int) {
    let (rows, columns) = (5, 13)
    let x = Tensor.random([rows, columns], seed: 1)
    let groups = (columns + group - 1) / group
    var starts = [Int32](repeating: -1, count: groups * rows + 1)
    var (indices, values) = ([Int32](repeating: -1, count: 66), [Float](repeating: -1, count: 66))
    kernel_positive_entries(&starts, &indices, &values, x.elements, rows, columns, group)
    for list in 0..<groups * rows {
      let (first, row) = (list / rows * group, list % rows)
      let wanted = (first..<min(columns, first + group)).filter { x[row * columns + $0] > 0 }
      let found = Int(starts[list])..<Int(starts[list + 1])
      #expect(indices[found].map(Int.init) == wanted)
      #expect(Array(values[found]) == wanted.map { x[row * columns + $0] })
    }
    let count = Int(starts.last!)
    #expect(count == x.elements.count { $0 > 0 })

    // One of them is no longer active.
    values[3] = 0
    let slopes = (0..<count).map(Float.init)
    var columnStarts = [Int32](repeating: -1, count: columns + 1)
    var sortedRows = [Int32](repeating: -1, count: count)
    var (sorted, sortedSlopes) = (slopes, slopes)
    kernel_sort_entries(
      &columnStarts, &sortedRows, &sorted, &sortedSlopes, columns, starts, groups * rows, rows, 100, indices,
      values, slopes)
    #expect(columnStarts[0] == 0 && columnStarts.last! == Int32(count - 1))
    for column in 0..<columns {
      let places = (0..<count).filter { indices[$0] == column && $0 != 3 }
      let found = Int(columnStarts[column])..<Int(columnStarts[column + 1])
      #expect(
        sortedRows[found].map { Int($0) - 100 }
          == (0..<rows).filter {
            row in places.contains { values[$0] == x[row * columns + column] }
          })
      #expect(Array(sorted[found]) == places.map { values[$0] })
      #expect(Array(sortedSlopes[found]) == places.map { slopes[$0] })
    }
  }

  @Test(arguments: [false, true]) func sparseDots(add: Bool) {
    let (x, y) = (Tensor.random([10, Self.strip], seed: 1), Tensor.random([4, Self.strip], seed: 2))
    let starts: [Int32] = [0, 3, 3, 12, 20]
    let indices = (0..<Int32(20)).map { $0 * 7 % 10 }
    let before = Tensor.random([21], seed: 3).elements
    var sums = before
    kernel_sparse_dots(&sums, add, y.elements, starts, 4, indices, x.elements)
    for o in 0..<4 {
      for j in Int(starts[o])..<Int(starts[o + 1]) {
        let dot = (0..<Self.strip).reduce(0.0) {
          $0 + Double(y[o * Self.strip + $1]) * Double(x[Int(indices[j]) * Self.strip + $1])
        }
        #expect(abs(Double(sums[j]) - dot - (add ? Double(before[j]) : 0)) < 2e-5, "\(j)")
      }
    }
    #expect(sums[20] == before[20])
  }

  @Test(arguments: [(5, 5), (33, 1), (100, 7), (400, 40)]) func largest(width: Int, k: Int) {
    // Some equal, some of the smallest not numbers.
    var x = Tensor.random([width], seed: 1).elements.map { ($0 * 20).rounded() }
    x[width / 2] = .nan
    var (indices, values) = ([Int32](repeating: -1, count: k), [Float](repeating: .nan, count: k))
    kernel_top_k(&indices, &values, x, width, k)
    let numbers = x.map { $0.isNaN ? -Float.infinity : $0 }
    let order = x.indices.sorted { numbers[$0] > numbers[$1] || (numbers[$0] == numbers[$1] && $0 < $1) }
    #expect(indices.map(Int.init) == Array(order.prefix(k)))
    #expect(values == order.prefix(k).map { numbers[$0] })
  }

  @Test func columnSums() {
    let x = Tensor.random([30, 13], seed: 1)
    var (sums, squares) = ([Float](repeating: 1, count: 13), [Float](repeating: 2, count: 13))
    kernel_column_sums(&sums, &squares, x.elements, 30, 13)
    for c in 0..<13 {
      let column = (0..<30).map { Double(x[$0 * 13 + c]) }
      #expect(abs(Double(sums[c]) - 1 - column.reduce(0, +)) < 1e-5)
      #expect(abs(Double(squares[c]) - 2 - column.reduce(0) { $0 + $1 * $1 }) < 1e-4)
    }
  }

  @Test func distancesInDoublePrecision() {
    let x = Tensor.random([21], seed: 1, plus: 1000)
    let y = (0..<21).map { 1000 + Double($0) * 1e-7 }
    let wanted = (0..<21).reduce(0) { $0 + pow(Double(x[$1]) - y[$1], 2) }
    #expect(abs(kernel_squared_distance(x.elements, y, 21) - wanted) < 1e-9 * wanted)
    var sum = y
    kernel_add_scaled_double(&sum, 0.1, x.elements, 21)
    for i in 0..<21 { #expect(abs(sum[i] - y[i] - 0.1 * Double(x[i])) < 1e-12) }
  }
}
