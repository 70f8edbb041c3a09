//! The values that JSON does not have, and writes as `null`: a number that is none, and `Some(None)`. Either would be
//! read back as something else, without a word. And values that nest too deep: `serde_json` writes one level in the
//! stack frames of the one around it, and would use up the stack, which ends the process.
//!
//! `serde_json` writes NaN, the infinities and `Some(None)` as `null`, without an error. A serializer that writes
//! nothing walks the value before and finds all of these.

use serde::Serialize;
use serde::de::value::Error;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::Display;

/// The most levels of a value. `serde_json` reads 127 arrays and objects in one another; `Some` and structs of one field
/// are levels between them.
const LEVELS: u16 = 512;

/// Refuses a value that has NaN, an infinity, or `Some` of nothing somewhere in it, or that nests too deep.
#[cfg(feature = "durable")]
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), String> {
    walk(value, Finite { left: LEVELS, has_nan: false, has_null: false })
}

/// Refuses a value that has NaN or an infinity somewhere in it, or that nests too deep.
#[cfg(all(feature = "fs", target_os = "linux", feature = "serde", feature = "serde_json"))]
pub(crate) fn check_numbers<T: Serialize + ?Sized>(value: &T) -> Result<(), String> {
    walk(value, Finite { left: LEVELS, has_nan: false, has_null: true })
}

/// Refuses a value that nests too deep.
#[cfg(feature = "durable")]
pub(crate) fn check_levels<T: Serialize + ?Sized>(value: &T) -> Result<(), String> {
    walk(value, Finite { left: LEVELS, has_nan: true, has_null: true })
}

fn walk<T: Serialize + ?Sized>(value: &T, all: Finite) -> Result<(), String> {
    value.serialize(all).map(drop).map_err(|error| error.to_string())
}

/// A serializer that writes nothing, and fails at the first value that JSON cannot hold; returns whether a value is
/// `null`.
#[derive(Clone, Copy)]
struct Finite {
    /// The number of levels that there may be inside of this one.
    left: u16,
    /// Whether NaN and the infinities are accepted.
    has_nan: bool,
    /// Whether `Some` of a value that JSON writes as `null` is accepted.
    has_null: bool,
}

impl Finite {
    /// Returns the check of a value one level further inside.
    fn inside(self) -> Result<Self, Error> {
        let left = self.left.checked_sub(1);
        let too_deep =
            || Error::custom(format_args!("it has more than {LEVELS} levels, and is not read back"));
        Ok(Self { left: left.ok_or_else(too_deep)?, ..self })
    }

    /// Checks a floating-point number. `f32` is widened first: a finite one stays finite, and NaN and the infinities
    /// stay unchanged.
    fn float(self, value: f64) -> Result<bool, Error> {
        if value.is_finite() || self.has_nan {
            return Ok(false);
        }
        Err(Error::custom(format_args!("{value} is not a number in JSON, and would be read back as nothing")))
    }
}

/// Values that JSON holds: the literal says whether they are written as `null`.
macro_rules! harmless {
    ($is_null:literal: $($method:ident($($ty:ty),*);)*) => {
        $(fn $method(self, $(_: $ty),*) -> Result<bool, Error> { Ok($is_null) })*
    };
}

impl Serializer for Finite {
    type Ok = bool;
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    harmless! { false:
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    harmless! { true:
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
    }

    fn serialize_f32(self, value: f32) -> Result<bool, Error> {
        self.float(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<bool, Error> {
        self.float(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<bool, Error> {
        if value.serialize(self.inside()?)? && !self.has_null {
            return Err(Error::custom("JSON has no `Some` of nothing: it would be read back as `None`"));
        }
        Ok(false)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        value.serialize(self.inside()?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        value.serialize(self.inside()?).map(|_| false)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self)
    }

    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<bool, Error> {
        Ok(false)
    }
}

/// The parts of sequences, tuples and structs are checked one by one; the whole is never `null`.
macro_rules! each {
    ($($name:ident: $method:ident($($key:ty)?);)*) => {
        $(impl $name for Finite {
            type Ok = bool;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Result<(), Error> {
                value.serialize(self.inside()?).map(drop)
            }

            fn end(self) -> Result<bool, Error> {
                Ok(false)
            }
        })*
    };
}

each! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

impl SerializeMap for Finite {
    type Ok = bool;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(self.inside()?).map(drop)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(self.inside()?).map(drop)
    }

    fn end(self) -> Result<bool, Error> {
        Ok(false)
    }
}

#[cfg(all(test, feature = "durable"))]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn values_without_a_json_form_are_rejected() {
        for fine in [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 0.1] {
            check(&(fine, [fine], Some(fine), None::<f64>, Some(vec![None::<u8>]), ())).unwrap();
            check(&BTreeMap::from([("NaN", (fine, "inf"))])).unwrap();
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(check(&Some(bad)).unwrap_err().contains("not a number in JSON"));
            assert!(check(&vec![(1, "a", [bad])]).is_err());
            assert!(check(&BTreeMap::from([(7, bad as f32)])).is_err());
        }
        assert!(check(&Some(None::<u8>)).unwrap_err().contains("read back as `None`"));
        assert!(check(&[Some(())]).is_err());
    }

    /// A value of this many levels, of each kind in turn, that takes no memory.
    struct Levels(u32);

    impl Serialize for Levels {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let Some(inner) = self.0.checked_sub(1).map(Levels) else { return serializer.serialize_u8(1) };
            match self.0 % 5 {
                0 => serializer.serialize_some(&inner),
                1 => serializer.serialize_newtype_struct("Levels", &inner),
                2 => serializer.serialize_newtype_variant("Levels", 0, "Inner", &inner),
                3 => serializer.collect_seq([inner]),
                _ => serializer.collect_map([("inner", inner)]),
            }
        }
    }

    #[test]
    fn a_value_that_nests_too_deep_is_rejected() {
        let deep = Levels(10_000_000);
        assert!(check(&Levels(u32::from(LEVELS))).is_ok());
        for refused in [check(&deep), check_levels(&deep)] {
            assert!(refused.unwrap_err().contains("more than 512 levels"));
        }
        assert!(check_levels(&(f64::NAN, Some(None::<u8>))).is_ok());
    }
}
