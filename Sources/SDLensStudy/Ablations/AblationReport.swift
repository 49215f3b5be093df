import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing

/// What an ablation found: a row for each variant at each block, with the mean over its seeds.
public struct AblationReport: Encodable, Sendable {
  /// A number of a variant.
  public struct Cell: Encodable, Sendable {
    /// The name of its column.
    public let column: String
    /// Of each seed, in their order.
    public let values: [Double]
    /// Their mean; its 95 % interval by Student's t is of other seeds, with the same pictures.
    public let estimate: Estimate
  }

  /// A variant at a block.
  public struct Row: Encodable, Sendable {
    /// The block.
    public let block: String
    /// The variant's name.
    public let variant: String
    /// Of what its vectors are.
    public let site: String
    /// How it comes about.
    public let recipe: String
    /// Its size.
    public let features: Int
    /// How many of them are to be active in a vector.
    public let k: Int
    /// What was measured.
    public let cells: [Cell]
    /// What was not, and why, by the measure.
    public let omissions: [String: String]

    /// The mean of a column; nil where it was not measured.
    public subscript(column: String) -> Estimate? { cells.first { $0.column == column }?.estimate }
  }

  /// The name of the comparison.
  public let name: String
  /// Of the trainings.
  public let seeds: [Seed]
  /// Pictures that were learned from.
  public let pictures: Int
  /// Pictures that were measured on.
  public let testPictures: Int
  /// Features of each dictionary that were measured one by one, at most.
  public let featuresMeasured: Int
  /// Steps of a training; nil where epochs say it.
  public let steps: Int?
  /// The numbers.
  public let columns: [AblationMeasure.Column]
  /// The variants, block after block.
  public let rows: [Row]
  /// The model.
  public let sources: Provenance

  init(
    _ ablation: Ablation, sources: Provenance,
    result: (Ablation.Unit, AblationMeasure) throws -> AblationResult
  ) throws {
    (name, seeds, self.sources) = (ablation.name, ablation.seeds, sources)
    (pictures, testPictures) = (ablation.pictures, ablation.testPictures)
    (featuresMeasured, steps) = (ablation.features, ablation.training.steps)
    let rows = try ablation.blocks.flatMap { block in
      try ablation.variants.indices.map { index in
        let variant = ablation.variants[index]
        var (cells, omissions) = ([Cell](), [String: String]())
        for measure in ablation.measures {
          let found = try ablation.seeds.map {
            try result(Ablation.Unit(block: block, variant: index, seed: $0), measure)
          }
          omissions[measure.rawValue] = found.compactMap(\.omission).first
          for column in measure.columns {
            let values = found.compactMap { $0.values[column.name] }
            guard let estimate = Estimate(ofRepetitions: values) else { continue }
            cells.append(Cell(column: column.name, values: values, estimate: estimate))
          }
        }
        return Row(
          block: "\(block)", variant: variant.name, site: "\(variant.site)", recipe: "\(variant.recipe)",
          features: variant.features, k: variant.k, cells: cells, omissions: omissions)
      }
    }
    self.rows = rows
    columns = ablation.measures.flatMap(\.columns).filter { column in rows.contains { $0[column.name] != nil }
    }
  }

  // MARK: Files

  /// A line for each number of a variant.
  private var csv: [[String]] {
    [
      ["block", "variant", "site", "recipe", "features", "k", "column", "mean", "low", "high", "n"]
        + seeds.map { "seed_\($0)" }
    ]
      + rows.flatMap { row in
        row.cells.map { cell in
          let interval = cell.estimate.interval
          return [
            row.block, row.variant, row.site, row.recipe, "\(row.features)", "\(row.k)", cell.column,
            Cells.digits(cell.estimate.value), Cells.digits(interval?.first), Cells.digits(interval?.last),
            "\(cell.estimate.n)",
          ] + cell.values.map { Cells.digits($0) }
        }
      }
  }

  /// Writes `ablation.json`, `ablation.csv` and for each block `ablation-BLOCK.png`.
  ///
  /// - Throws: `FileError`, `PictureError`.
  public func write(to results: ResultFolder) throws {
    try results.write(csv, to: "ablation.csv")
    try JSON.write(self, to: results("ablation.json"))
    for block in Set(rows.map(\.block)) { try plots(block).write(to: results("ablation-\(block).png")) }
  }

  /// A plot of bars for each number, with their intervals.
  public func plots(_ block: String) -> PlotPage {
    let rows = rows.filter { $0.block == block }
    let plots = columns.map { column in
      let found = rows.map { $0[column.name] }
      return Plot(
        title: column.title, x: Axis(categories: rows.map(\.variant)), y: Axis(column.name),
        series: [
          .bars(
            y: found.map { $0?.value ?? .nan },
            errors: found.map { $0?.interval.map { ($0[1] - $0[0]) / 2 } ?? .nan })
        ], note: column.meaning)
    }
    return PlotPage(
      title: "\(name) at \(block), \(seeds.count) seeds, means and 95 % intervals", plots: plots,
      columns: 2, plotSize: Size(max(320, 75 * Double(rows.count)), 240))
  }
}
