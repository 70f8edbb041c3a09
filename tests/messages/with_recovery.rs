// category_twice

#[with_recovery(on(corrupt, skip), on(timeout, corrupt, escalate), on(timeout, manul))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// foreign_words

#[with_recovery(strategy = retry, default = escalate, fallback = other, max = 3)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// nothing_to_do

#[with_recovery]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// retry_without_retry

#[with_recovery(on(corrupt, rollback), otherwise = retry)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// rule_with_value

#[with_recovery(on = corrupt)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// rule_without_strategy

#[with_recovery(on(corrupt))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// severity_compared_otherwise

#[with_recovery(on(severity < high, manual))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unknown_category

#[with_recovery(on(corupt, skip))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unknown_key

#[with_recovery(on(corrupt, skip), otherwize = escalate)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unknown_severity

#[with_recovery(on(severity >= hihg, manual))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unknown_strategy

#[with_recovery(on(corrupt, rolback), otherwise = ignore)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}
