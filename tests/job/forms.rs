//! Methods as jobs, and jobs that a macro makes.

use super::*;

struct App {
    name: &'static str,
}

impl App {
    #[job("app:{id}", on = App)]
    async fn run(&self, id: u32) -> Result<String, Error> {
        may_crash(id).await;
        Ok(format!("{}{id}", self.name))
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovered_method_uses_the_provided_value() {
    let _world = isolate();
    CRASH.set(3);
    {
        let mut call = Box::pin(async { App { name: "a" }.run(3).await });
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    assert_eq!(
        recover().provide(Arc::new(App { name: "b" })).until_done().await.unwrap().count(Status::Done),
        1
    );
    assert_eq!(App { name: "c" }.run(3).await.unwrap(), "b3");
}

/// A type that is no `&mut`, whatever its letters.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Permut(u32);

macro_rules! jobs {
    ($($name:ident $key:literal ($($argument:ident: $ty:ty),*) $lent:ident: $lends:ty;)*) => {
        $(
            #[job($key, provided($lent), max_recoveries = 1 + 1)]
            async fn $name($($argument: $ty,)* $lent: $lends) -> Result<String, Error> {
                may_crash(9).await;
                Ok(format!("{:?} {}", ($(&$argument,)*), $lent.name))
            }
        )*
    };
}

jobs! {
    by_macro "macro:{id}" (id: u32, names: &[String], part: &Permut) client: &Client;
    in_arc "arc:{id}" (id: String) client: Arc<Client>;
}

#[tokio::test(start_paused = true)]
async fn macro_generated_jobs_are_recovered_with_borrowed_arguments() {
    let _world = isolate();
    CRASH.set(9);
    {
        let (names, part) = (["a".to_owned()], Permut(5));
        let mut call = Box::pin(by_macro(1, &names, &part, &CLIENT));
        assert!(futures::poll!(&mut call).is_pending());
        let mut call = Box::pin(in_arc("x".to_owned(), Arc::new(CLIENT)));
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    let recovered = recover().provide(Arc::new(Client { name: "other" })).until_done().await.unwrap();
    assert_eq!(recovered.count(Status::Done), 2, "{recovered}");
    let done = by_macro(1, &["a".to_owned()], &Permut(5), &CLIENT).await.unwrap();
    assert_eq!(done, r#"(1, ["a"], Permut(5)) other"#);
    assert_eq!(in_arc("x".to_owned(), Arc::new(CLIENT)).await.unwrap(), r#"("x",) other"#);
}
