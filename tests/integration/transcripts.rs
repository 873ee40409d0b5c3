//! Every command that the documents show between ```` ```console ```` is run, and has to say what they
//! show. After a change: `TRYCMD=overwrite cargo test --test integration -- transcripts`.

/// The documents, from the root of the repository.
const DOCUMENTS: [&str; 3] = ["README.md", "docs/*.md", "tests/integration/transcripts/*.trycmd"];

pub(crate) fn every_command_says_what_the_documents_show() {
    let cases = trycmd::TestCases::new();
    cases.register_bin("dislodge", std::path::Path::new(env!("CARGO_BIN_EXE_dislodge")));
    for document in DOCUMENTS {
        cases.case(document);
    }
    // It panics with what differs.
    cases.run();
}
