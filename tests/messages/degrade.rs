// nothing_to_simplify

#[degrade]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// no_such_argument

#[degrade(plam)]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// mutable_argument

#[degrade(plan)]
fn run(plan: &mut Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// two_arguments

#[degrade(plan, name)]
fn run(plan: &Plan, name: &str) -> io::Result<u32> {
    Ok(plan.steps)
}

// an_expression

#[degrade(plan.inner, max = 2)]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// argument_to_clone

#[degrade(plan, clone(plan))]
fn run(plan: Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// fallback_below

#[degrade(plan)]
#[with_fallback(value = 0)]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// cached_below

#[degrade(plan)]
#[cached(ttl = 60s)]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// two_of_them

#[degrade(plan)]
#[degrade(plan, on(timeout))]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// nonsense

#[degrade(plan, max = 0, on(slow), on = timeout)]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// words_of_others

#[degrade(argument = plan, levels = 2)]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}

// number_of_attempts

#[degrade(plan, max_attempts = 3)]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.steps)
}
