//! A workflow that takes too long is run again with less to do.

use resilience::{Simplify, degrade, point, timeout};
use std::time::Duration;

#[derive(Debug)]
struct Workflow {
    iterations: u32,
    tools: Vec<&'static str>,
    temperature: f32,
}

impl Simplify for Workflow {
    fn simplify(&self, level: u32) -> Option<Self> {
        let tools = self.tools.iter().copied();
        match level {
            1 => Some(Self { iterations: 5, tools: tools.take(3).collect(), ..*self }),
            2 => Some(Self { iterations: 3, tools: tools.take(1).collect(), temperature: 0.3 }),
            _ => None,
        }
    }
}

#[degrade(workflow, name = "workflow")]
#[timeout(50ms)]
async fn run(workflow: &Workflow) -> Result<String, resilience::Rejected> {
    println!("  {workflow:?}");
    tokio::time::sleep(Duration::from_millis(10) * workflow.iterations).await;
    let Workflow { iterations, tools, temperature } = workflow;
    Ok(format!("{iterations} iterations with {tools:?} at {temperature}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let tools = vec!["search", "read", "write", "run"];
    let workflow = Workflow { iterations: 10, tools, temperature: 0.7 };
    println!("{:?}", run(&workflow).await);
    println!("{}", point("workflow").expect("a point").snapshot());
}
