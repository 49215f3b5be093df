import ArgumentParser

@main
struct SDLens: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sdlens", abstract: "Looks inside SDXL-Turbo with sparse autoencoders.")
}
