import SDLensCommands

SDLens.main()
