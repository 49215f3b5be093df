import ArgumentParser
import Foundation
import SDLensCore
import SDLensDrawing
import SDLensStudy

/// Where a figure goes, and how it is drawn.
struct FigureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The figure: .png, .svg or .pdf. (default: in the workspace's pictures)", valueName: "file"),
    completion: .file(extensions: ["png", "svg", "pdf"]))
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

  /// The path of a figure, in the workspace's pictures unless another is given; checks that it can be written.
  static func path(
    _ output: String?, _ name: String, _ workspace: WorkspaceOptions, _ force: Bool, _ record: RunRecord
  ) throws -> String {
    try Canvas.checkFonts()
    return try checked(
      OutputPlace(
        figure: output, default: try folder(output, workspace) + "/\(name).png", of: record, force: force
      ).path)
  }

  /// The path of a figure that is drawn anew as what it shows goes on.
  static func path(_ output: String?, _ name: String, _ workspace: WorkspaceOptions) throws -> String {
    try Canvas.checkFonts()
    return try checked(output ?? folder(output, workspace) + "/\(name).png")
  }

  private static func folder(_ output: String?, _ workspace: WorkspaceOptions) throws -> String {
    let pictures = workspace.place.pictures
    if output == nil {
      try AtomicFolder.makeAll(pictures)
    }
    return pictures
  }

  private static func checked(_ path: String) throws -> String {
    try AtomicFile.check(path)
    return path
  }
}
