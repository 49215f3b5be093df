import SDLensDiffusion
import Testing

@Suite struct BlockNameTests {
  @Test func theThreeSpellingsNameTheSameBlock() throws {
    for block in BlockName.sdxl {
      #expect(try BlockName(block.description) == block)
      #expect(try BlockName(block.path) == block)
      #expect(try BlockName("unet." + block.path) == block)
    }
    #expect(try BlockName("mid.0").path == "mid_block.attentions.0")
    #expect(try BlockName("up.1.2").path == "up_blocks.1.attentions.2")
  }

  @Test(arguments: ["", "down.3.0", "up.4.0", "up.0.3", "mid", "mid.0.0", "unet.down.2.1", "down.2.1 "])
  func anythingElseIsRefusedWithTheList(_ text: String) {
    let error = #expect(throws: UnknownBlock.self) { try BlockName(text) }
    #expect(
      error?.description
        == "'\(text)' is not a transformer block; those of SDXL: down.1.0, down.1.1, down.2.0, "
        + "down.2.1, mid.0, up.0.0, up.0.1, up.0.2, up.1.0, up.1.1, up.1.2; those of Stable Diffusion 1 and 2: down.0.0, "
        + "down.0.1, down.1.0, down.1.1, down.2.0, down.2.1, mid.0, up.1.0, up.1.1, up.1.2, up.2.0, up.2.1, up.2.2, up.3.0, "
        + "up.3.1, up.3.2")
  }
}
