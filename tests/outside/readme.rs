//! The README's examples compile and run as they stand.

use crate::{cargo, folder, root};

/// The code blocks in Rust of the README.
fn examples() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```rust\n").skip(1);
    blocks.filter_map(|block| block.split("\n```").next()).map(str::to_owned).collect()
}

/// The statements for operators, in a program.
fn statements() -> String {
    let readme = include_str!("../../README.md");
    let block = readme.split("```rust,ignore\n").nth(1).and_then(|block| block.split("\n```").next());
    format!(
        "use resilience::{{alerts, config, health, metrics, shutdown, supervisor}};\nuse std::time::Duration;\n\n\
         #[tokio::main]\nasync fn main() -> Result<(), Box<dyn std::error::Error>> {{\n{}\nOk(())\n}}\n",
        block.expect("the block")
    )
}

#[test]
fn every_example_runs() {
    let root = root().display().to_string();
    let folder = folder("readme").display().to_string();
    let examples = examples();
    assert_eq!(examples.len(), 2);
    std::fs::create_dir_all(format!("{folder}/src/bin")).expect("a folder");
    let manifest = format!(
        "[package]\nname = \"readme\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         resilience = {{ path = {:?}, features = [\"sqlite\", \"ops\", \"config\"] }}\nthiserror = \"2\"\n\
         tokio = {{ version = \"1\", features = [\"full\"] }}\n\n[workspace]\n",
        format!("{root}/resilience")
    );
    std::fs::write(format!("{folder}/Cargo.toml"), manifest).expect("a manifest");
    std::fs::copy(format!("{root}/Cargo.lock"), format!("{folder}/Cargo.lock")).expect("the same versions");
    for (n, example) in examples.iter().enumerate() {
        std::fs::write(format!("{folder}/src/bin/example{n}.rs"), example).expect("an example");
    }
    std::fs::write(format!("{folder}/src/bin/statements.rs"), statements()).expect("an example");
    let examples = (0..examples.len()).map(|n| ("run", format!("example{n}")));
    for (command, example) in examples.chain([("build", "statements".to_owned())]) {
        let mut cargo = cargo();
        cargo.args([command, "--quiet", "--offline", "--bin", &example]).current_dir(&folder);
        let output = cargo
            .env("RESILIENCE_STATE", format!("{folder}/state-{}", std::process::id()))
            .output()
            .expect("cargo");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}:\n{text}");
        assert!(!text.contains("warning"), "{example}:\n{text}");
    }
    let _ = std::fs::remove_dir_all(format!("{folder}/state-{}", std::process::id()));
}
