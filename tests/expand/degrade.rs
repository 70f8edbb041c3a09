#[degrade(plan)]
fn borrowed(plan: &Plan) -> Result<String, Error> {
    run(plan)
}
#[degrade(plan, max = 2, on(timeout))]
#[with_retry(max = 3)]
async fn owned(plan: Plan, id: u32) -> Result<String, Error> {
    run(&plan, id).await
}
