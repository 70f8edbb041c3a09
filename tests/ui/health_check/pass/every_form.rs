use resilience::health::Answer;
use resilience::health_check;
use std::error::Error;

#[health_check("unit")]
fn unit() {}

#[health_check("text")]
fn text() -> String {
    "7 entries".to_owned()
}

#[health_check("boxed", critical)]
fn boxed() -> Result<(), Box<dyn Error>> {
    Err("down".into())
}

#[health_check("future")]
fn future() -> impl Future<Output = Result<&'static str, String>> {
    async { Ok("up") }
}

#[health_check("number:{number}", each = [1, 2])]
async fn number(number: u32) -> Answer {
    Answer::pass("").detail("number", number)
}

#[health_check("owned:{name:?}", each = names(), timeout = 10ms)]
fn owned(name: &str) -> Result<Answer, std::io::Error> {
    Ok(name.into())
}

fn names() -> Vec<String> {
    vec!["a".to_owned()]
}

macro_rules! check {
    ($name:literal, $function:ident) => {
        #[health_check($name)]
        fn $function() {}
    };
}

check!("made", made);

fn main() {
    #[health_check("inside")]
    fn inside() {}
}
