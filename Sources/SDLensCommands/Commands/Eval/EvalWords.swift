import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens eval words`: whether words act where their objects are, on `shapes`.
struct EvalWords: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "words",
    abstract: "Whether words of shapes act where their objects are.",
    discussion: """
      Prompts that the model never saw are run, and the cross-attention maps of the words for shape, colour and place \
      are compared with the area of the object that they are said of: the area under the ROC curve over the places of \
      a map, per word, 0.5 being chance. Beside it stands what the same maps reach against an object of another prompt's \
      picture, and against the other object of their own. 'all' is the mean of the maps of all eleven blocks.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Transformer blocks. (default: the paper's four)", valueName: "block"))
  var block: [BlockName] = []

  @OptionGroup var options: PromptStudyOptions

  func run() throws {
    try options.run(WordTruth.self, at: block.isEmpty ? BlockName.studied : Set(block).sorted())
  }
}
