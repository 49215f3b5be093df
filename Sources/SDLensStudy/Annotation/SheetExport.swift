import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Sheets of features for people and other programs: a folder with a picture of each, a file in whose lines captions are
/// to be written, and the words that a language model would be asked with.
public struct SheetExport {
  /// The file with a line for each feature, which `ImportedLabels` reads.
  public static let fileName = "captions.jsonl"
  private static let promptName = "question.txt"

  private struct Line: Encodable {
    let block: String
    let feature: Int
    let sheet: String
    let caption: String
  }

  /// The pixels of a picture on a sheet, across.
  public var cell = 128
  private let renderer: FigureRenderer

  /// Ready to draw.
  ///
  /// - Throws: what is wrong with the model.
  public init(_ laboratory: Laboratory) throws { renderer = try FigureRenderer(laboratory) }

  /// Writes the sheets of features of some blocks into a folder; a sheet that is there already stays, and so does every
  /// caption that was written into the file.
  ///
  /// - Throws: `NoExamples`, `NeverActive`, `FileError`, and what is wrong with the file that is there.
  public func write(_ features: [BlockName: [Int]], to folder: String, advance: () -> Void = {}) throws {
    try AtomicFolder.makeAll(folder)
    let path = "\(folder)/\(Self.fileName)"
    var lines = try Self.written(path)
    for (block, features) in features.sorted(by: { $0.key < $1.key }) {
      for feature in features {
        let name = Self.sheetName(feature, of: block)
        try draw(feature, of: block, to: "\(folder)/\(name)")
        let line = Line(block: "\(block)", feature: feature, sheet: name, caption: "")
        let key = Key(block: block, feature: feature)
        lines[key] = try lines[key] ?? JSON.line(line)
        advance()
      }
    }
    let sorted = lines.sorted { ($0.key.block, $0.key.feature) < ($1.key.block, $1.key.feature) }
    try AtomicFile.write(to: path) { for line in sorted { try $0.append(line.value + [UInt8(ascii: "\n")]) } }
    let question = Array("\(AnnotationPrompt.system)\n\n\(AnnotationPrompt.task)\n".utf8)
    try AtomicFile.write(to: "\(folder)/\(Self.promptName)", byteCount: question.count) {
      try $0.append(question)
    }
  }

  private static func sheetName(_ feature: Int, of block: BlockName) -> String { "\(block)-\(feature).png" }

  /// What `write` will take, judged by small sheets.
  ///
  /// - Throws: as `write`.
  public func estimate(_ features: [BlockName: [Int]], to folder: String) throws -> WorkEstimate {
    let all = features.sorted { $0.key < $1.key }.flatMap { block, features in features.map { (block, $0) } }
    let missing = all.filter { block, feature in
      !isDrawn(key(feature, of: block), "\(folder)/\(Self.sheetName(feature, of: block))")
    }
    guard !missing.isEmpty else { return WorkEstimate([], disk: 0, in: folder) }
    var bytes = 0
    let work = try AtomicFolder.scratch(beside: "\(Disk.nearest(to: folder))/sheets") { scratch in
      // A column of a sheet; it has nine.
      try WorkEstimate.Work.measured(
        "draw sheets", "columns", pieces: Self.usualExamples * missing.count, calls: min(3, missing.count)
      ) { call in
        let (block, feature) = missing[call % missing.count]
        var figure = AnnotationFigure(block, features: [feature])
        (figure.cellWidth, figure.isCaptioned, figure.examples) = (cell, false, 1)
        let path = "\(scratch)/sheet.png"
        try figure.figure(renderer).write(to: path, renderer)
        bytes = try MappedFile(path: path).count
      }
    }
    return WorkEstimate([work], disk: bytes * work.pieces, in: folder)
  }
  private static let usualExamples = AnnotationFigure(BlockName.studied[0], features: []).examples

  private struct Key: Hashable {
    let block: BlockName
    let feature: Int
  }

  /// The lines of a file in which somebody has written a caption.
  private static func written(_ path: String) throws -> [Key: [UInt8]] {
    guard FileManager.default.fileExists(atPath: path) else { return [:] }
    var lines: [Key: [UInt8]] = [:]
    for (index, line) in try TextFile(path).lines.enumerated() where !line.isBlank {
      guard case .object(let fields)? = try? JSONValue(parsing: String(line), as: .python),
        case .string(let name)? = fields["block"], let block = try? BlockName(name),
        case .int(let feature)? = fields["feature"], case .string(let caption)? = fields["caption"]
      else {
        throw MalformedFile(
          path: path,
          reason:
            "line \(index + 1) is none that an export writes, and would be lost; mend it, or export to another folder"
        )
      }
      if FeatureCaption.cleaned(caption) != nil {
        lines[Key(block: block, feature: feature)] = Array(line.utf8)
      }
    }
    return lines
  }

  /// What decides a sheet.
  private func key(_ feature: Int, of block: BlockName) -> PNGText {
    guard let dictionary = renderer.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    return PNGText("sheet", "\(block) \(feature) \(dictionary.identity.fingerprint) \(cell)")
  }

  private func isDrawn(_ key: PNGText, _ path: String) -> Bool {
    (try? PNG.text(of: path))?.contains(key) == true
  }

  private func draw(_ feature: Int, of block: BlockName, to path: String) throws {
    let key = key(feature, of: block)
    guard !isDrawn(key, path) else { return }
    var figure = AnnotationFigure(block, features: [feature])
    (figure.cellWidth, figure.isCaptioned) = (cell, false)
    try figure.figure(renderer).write(to: path, renderer, text: [key])
  }
}
