extension ReportPage {
  /// The style of the page: narrow and wide screens, light and dark, and paper.
  static let style = """
    :root {
      color-scheme: light dark; --text: #1d2024; --soft: #5b626b; --paper: #fdfdfc; --line: #d9dbdd; --card: #fff;
      --holds: #1a7f42; --fails: #b3261e; --open: #6b7280; font: 16px/1.5 Georgia, "Liberation Serif", serif
    }
    @media (prefers-color-scheme: dark) {
      :root { --text: #e4e6e8; --soft: #a2a9b1; --paper: #16181b; --line: #383c41; --card: #1e2124;
        --holds: #5bc98a; --fails: #ff8a80; --open: #a2a9b1 }
    }
    * { box-sizing: border-box }
    body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; color: var(--text); background: var(--paper) }
    h1, h2, h3, th, nav, .tiles, .verdict, .badge, caption, figcaption, small, table { font-family: system-ui, "Liberation Sans", sans-serif }
    h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 1rem }
    h2 { font-size: 1.35rem; margin: 2.5rem 0 .2rem; padding-top: .6rem; border-top: 2px solid var(--line) }
    h3 { font-size: 1rem; line-height: 1.35; margin: 0 0 .3rem; overflow-wrap: anywhere }
    h3 a { color: var(--soft); text-decoration: none; margin-right: .3rem }
    a { color: inherit }
    p { max-width: 46rem; margin: .5rem 0; overflow-wrap: anywhere }
    .source, .file { color: var(--soft); font-size: .9rem }
    .file { font-family: monospace; font-size: .75rem }
    .note { border-left: 3px solid var(--line); padding-left: .8rem }
    .tiles { display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; list-style: none }
    .tiles li { border: 1px solid var(--line); border-left: 5px solid; border-radius: 6px; padding: .4rem .9rem; background: var(--card) }
    .tiles b { font-size: 1.6rem; margin-right: .2rem }
    .tiles .holds, .marks .holds, .holds .verdict b, .holds .word { color: var(--holds) }
    .tiles .fails, .marks .fails, .fails .verdict b, .fails .word { color: var(--fails) }
    .tiles .open, .marks .open, .open .verdict b, .open .word { color: var(--open) }
    nav { border: 1px solid var(--line); border-radius: 6px; padding: .2rem 1rem .8rem; background: var(--card) }
    nav h2 { border: 0; margin: .3rem 0; padding: 0; font-size: 1.05rem }
    nav ol { list-style: none; margin: 0; padding: 0 }
    nav li { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; padding: .15rem 0 }
    .marks { white-space: nowrap }
    .claims { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: .9rem; margin: 1.2rem 0; align-items: start }
    .claim { border: 1px solid var(--line); border-left: 5px solid var(--open); border-radius: 6px; padding: .7rem .9rem; background: var(--card); font-size: .92rem; min-width: 0 }
    .claim.holds { border-left-color: var(--holds) } .claim.fails { border-left-color: var(--fails) }
    .claim:target { outline: 2px solid var(--soft) }
    .verdict { margin: .2rem 0 .5rem }
    .badge { border: 1px solid var(--line); border-radius: 99px; padding: 0 .55rem; font-size: .78rem; white-space: nowrap }
    .design { color: var(--soft); font-size: .86rem }
    .scroll { overflow-x: auto; margin: 1rem 0 }
    figure { margin: 1.2rem 0 } figure .scroll { margin: 0 0 .4rem }
    img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 4px }
    figcaption { font-size: .86rem; overflow-wrap: anywhere }
    pre { overflow-x: auto; font-size: .78rem; white-space: pre-wrap }
    table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums }
    caption { text-align: left; font-weight: 600; padding: .3rem 0 }
    caption span { display: block; width: max-content; max-width: min(46rem, 100vw - 2rem) }
    caption small { font-weight: normal; color: var(--soft) }
    th, td { text-align: left; padding: .2rem .7rem .2rem 0; vertical-align: top; border-bottom: 1px solid var(--line) }
    th { font-weight: 600 } td small { color: var(--soft); white-space: nowrap } td i { color: var(--soft) }
    .figures { width: 100% } .figures td, .figures th { border: 0; padding: .05rem .5rem .05rem 0 }
    .figures thead th { color: var(--soft); font-weight: normal }
    .figures th { overflow-wrap: anywhere } .figures td { white-space: nowrap }
    .than td { color: var(--soft); font-style: italic; padding: .1rem 0 }
    .word { white-space: nowrap }
    @media (max-width: 480px) { :root { font-size: 15px } h1 { font-size: 1.45rem } body { padding: 1rem .8rem 3rem } }
    @media print {
      :root { color-scheme: light; --text: #000; --soft: #444; --paper: #fff; --card: #fff; --line: #bbb;
        --holds: #14632f; --fails: #9c1f17; --open: #555; font-size: 10.5pt }
      body { max-width: none; padding: 0 } nav, .claim, tr { break-inside: avoid } h2, h3, thead, caption { break-after: avoid }
      .claims { display: block; columns: 2; column-gap: 1rem } .claim { margin-bottom: .7rem; print-color-adjust: exact; -webkit-print-color-adjust: exact }
      .scroll { overflow: visible } img { min-width: 0 !important; max-height: 22cm; width: auto } details { display: none }
      table { font-size: 7.5pt } td small { white-space: normal } a { text-decoration: none }
    }
    """
}
