//! Types of std and of other crates.

use super::*;

#[test]
#[rustfmt::skip]
fn io_errors_are_classified_by_kind() {
    use ErrorKind as K;
    let rows: &[(Category, &[ErrorKind])] = &[
        (Category::Connection, &[
            K::ConnectionRefused, K::ConnectionReset, K::ConnectionAborted, K::NotConnected, K::BrokenPipe,
            K::AddrInUse, K::AddrNotAvailable, K::HostUnreachable, K::NetworkUnreachable, K::NetworkDown,
            K::UnexpectedEof,
        ]),
        (Category::Timeout, &[K::TimedOut]),
        (Category::Transient, &[
            K::Interrupted, K::WouldBlock, K::ResourceBusy, K::Deadlock, K::ExecutableFileBusy,
            K::StaleNetworkFileHandle,
        ]),
        (Category::Auth, &[K::PermissionDenied]),
        (Category::Resource, &[K::OutOfMemory, K::StorageFull, K::QuotaExceeded, K::FileTooLarge]),
        (Category::NotFound, &[K::NotFound]),
        (Category::Conflict, &[K::AlreadyExists]),
        (Category::Corrupt, &[K::InvalidData]),
        (Category::Invalid, &[
            K::InvalidInput, K::InvalidFilename, K::ArgumentListTooLong, K::NotSeekable, K::IsADirectory,
            K::NotADirectory, K::DirectoryNotEmpty, K::CrossesDevices, K::TooManyLinks,
        ]),
        (Category::Permanent, &[K::Unsupported, K::ReadOnlyFilesystem]),
        (Category::Unknown, &[K::Other, K::WriteZero]),
    ];
    for (expected, kinds) in rows {
        for kind in *kinds {
            let class = of(&io::Error::from(*kind));
            assert_eq!(class.category, *expected, "{kind:?}");
            let undelivered = Classification::new(*expected).delivered == Delivered::No;
            let no = undelivered || *kind == K::ConnectionRefused;
            assert_eq!(class.delivered == Delivered::No, no, "{kind:?}");
        }
    }
    assert_eq!(category(&io::Error::from_raw_os_error(i32::MAX)), Category::Unknown);
    assert_eq!(category(&io::Error::new(K::TimedOut, "text")), Category::Timeout);
}

#[test]
fn a_host_that_std_cannot_look_up_is_an_undelivered_connection_failure() {
    // No name server is asked for a name that cannot be sent to one.
    let host = "x".repeat(64);
    let real = std::net::ToSocketAddrs::to_socket_addrs(&(&*host, 80)).expect_err("no such name");
    let kind = io::Error::from_raw_os_error(i32::MAX).kind();
    let of_text =
        |reason: &str| io::Error::new(kind, format!("failed to lookup address information: {reason}"));
    let unknown = of_text("Name or service not known");
    let temporary = of_text("Temporary failure in name resolution");
    let boxed: Box<dyn Error> = of_text("Der Name oder der Dienst ist nicht bekannt").into();
    let wrapped = io::Error::other(of_text("No address associated with hostname"));
    for class in [of(&real), of(&unknown), of(&temporary), of_dyn(&*boxed), of(&wrapped)] {
        assert_eq!((class.category, class.delivered), (Category::Connection, Delivered::No), "{real:?}");
        assert!(class.is_retryable());
    }
    // A text alone says nothing where its kind does, or where a program has written it.
    let text = "failed to lookup address information: Name or service not known";
    assert_eq!(category(&io::Error::new(ErrorKind::NotFound, text)), Category::NotFound);
    assert_eq!(category(&io::Error::other(text)), Category::Unknown);
    assert_eq!(category(&io::Error::new(kind, "no such device")), Category::Unknown);
}

#[test]
fn parse_errors_are_invalid() {
    let bytes = vec![0xff];
    let errors: [Box<dyn Error>; 9] = [
        "x".parse::<u8>().unwrap_err().into(),
        "x".parse::<f64>().unwrap_err().into(),
        "x".parse::<bool>().unwrap_err().into(),
        "xy".parse::<char>().unwrap_err().into(),
        "x".parse::<std::net::IpAddr>().unwrap_err().into(),
        u8::try_from(300_u16).unwrap_err().into(),
        std::str::from_utf8(&bytes).unwrap_err().into(),
        String::from_utf8(bytes.clone()).unwrap_err().into(),
        http::Request::get("http://[").body(()).unwrap_err().into(),
    ];
    for error in errors {
        assert_eq!(category(&error), Category::Invalid, "{error:?}");
    }
    assert_eq!(category(&"x".parse::<u8>().unwrap_err()), Category::Invalid);
}

#[test]
fn texts_and_unit_are_unknown() {
    assert_eq!(category("timed out"), Category::Unknown);
    assert_eq!(category(&"timed out"), Category::Unknown);
    assert_eq!(category(&String::from("timed out")), Category::Unknown);
    assert_eq!(category(&()), Category::Unknown);
    assert_eq!(category(&fmt::Error), Category::Unknown);
}

#[test]
fn pointers_delegate_to_their_target() {
    let error = || io::Error::from(ErrorKind::NotFound);
    assert_eq!(category(&&error()), Category::NotFound);
    assert_eq!(category(&Box::new(error())), Category::NotFound);
    assert_eq!(category(&Arc::new(error())), Category::NotFound);
    let shared: Arc<dyn Error + Send + Sync> = Arc::new(error());
    assert_eq!(category(&shared), Category::NotFound);
}

#[tokio::test(start_paused = true)]
async fn tokio_elapsed_is_a_timeout() {
    let elapsed = tokio::time::timeout(SECOND, std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(category(&elapsed), Category::Timeout);
    assert_eq!(of_dyn(&elapsed).category, Category::Timeout);
    assert_eq!(category(&io::Error::from(elapsed)), Category::Timeout);
}

#[test]
fn json_errors_have_a_category() {
    let parse = |text: &str| serde_json::from_str::<u8>(text).unwrap_err();
    for text in ["{", "nonsense", "\"text\"", "1 2"] {
        assert_eq!(category(&parse(text)), Category::Corrupt, "{text}");
    }
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(ErrorKind::ConnectionReset.into())
        }
    }
    let broken = serde_json::from_reader::<_, u8>(Broken).unwrap_err();
    assert_eq!(category(&broken), Category::Connection);
    assert_eq!(category(&anyhow::Error::new(parse("{"))), Category::Corrupt);
}
