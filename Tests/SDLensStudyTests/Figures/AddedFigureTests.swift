import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// A figure that is added from outside, by public interfaces alone: what each block does without the others' help.
@Suite struct AddedFigureTests {
  private func figure(of scene: Scene) -> Figure {
    var figure = Figure(title: "One block less", columns: ["picture", "difference"], cellWidth: 64)
    for block in BlockName.studied {
      let edits = [Edit(.ablate, at: block)]
      figure.rows.append(
        Figure.Row(
          "\(block)", [Figure.Cell(Panel(scene, edits)), Figure.Cell(Panel(scene, edits, look: .difference))])
      )
    }
    figure.cite(scene)
    return figure
  }

  @Test func itIsDrawnWithItsPromptsAndNothingTwice() throws {
    let folder = try TemporaryFolder()
    let laboratory = Laboratory(try ModelFolder(EditedModel.tinyPath))
    let figure = figure(of: Scene("a cat", try EditedModel.settings()))
    try figure.write(
      to: folder("figure.png"), FigureRenderer(laboratory), text: [PNGText("title", figure.title)])
    #expect(laboratory.madeRuns == 1)
    let picture = try PNG.read(folder("figure.png"))
    #expect(picture.width > 2 * 64 && picture.height > 4 * 40)
    #expect(Set(picture.samples).count > 20)
    #expect(figure.promptTable.hasSuffix("–      –        42    a cat\n"))
  }
}
