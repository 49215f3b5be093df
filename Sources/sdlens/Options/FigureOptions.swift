import ArgumentParser
import Foundation
import SDLensCore
import SDLensStudy

/// Where a figure goes, and how it is drawn.
struct FigureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The figure: .png, .svg or .pdf. (default: in the workspace's pictures)", valueName: "file"))
  var output: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Width of each picture in the figure. (default: by the figure)", valueName: "pixels"))
  var cell: Int?

  @Option(help: ArgumentHelp("Colours of heat maps.", valueName: "map"))
  var colors = ColorMap.jet

  func validate() throws {
    if let output { _ = try DrawingFormat(path: output) }
    if let cell, !(32...2048 ~= cell) {
      throw ValidationError("cell is \(cell), but it must be from 32 to 2048")
    }
  }

  /// The path of a figure, in the workspace's pictures unless another is given; checks that it can be drawn and
  /// written.
  static func path(_ output: String?, _ name: String, _ workspace: WorkspaceOptions) throws -> String {
    try Canvas.checkFonts()
    let path = output ?? "\(workspace.folder)/pictures/\(name).png"
    if output == nil {
      try FileManager.default.createDirectory(
        atPath: "\(workspace.folder)/pictures", withIntermediateDirectories: true)
    }
    try AtomicFile.check(path)
    return path
  }
}
