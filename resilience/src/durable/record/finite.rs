//! The values that JSON does not have, and writes as `null`: a number that is none, and `Some(None)`. Either would be
//! read back as something else, without a word.
//!
//! `serde_json` writes NaN, the infinities and `Some(None)` as `null`, without an error. A serializer that writes
//! nothing walks the value and finds them; it runs only when the encoded text has a `null` in it.

use serde::Serialize;
use serde::de::value::Error;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::Display;

/// Refuses a value that has NaN, an infinity, or `Some` of nothing somewhere in it.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), String> {
    value.serialize(Finite).map(drop).map_err(|error| error.to_string())
}

/// A serializer that writes nothing, and fails at the first value that JSON cannot hold; returns whether a value is
/// `null`.
#[derive(Clone, Copy)]
struct Finite;

/// Checks a floating-point number. `f32` is widened first: a finite one stays finite, and NaN and the infinities stay
/// unchanged.
fn float(value: f64) -> Result<bool, Error> {
    if value.is_finite() {
        return Ok(false);
    }
    Err(Error::custom(format_args!("{value} is not a number in JSON, and would be read back as nothing")))
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
        float(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<bool, Error> {
        float(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<bool, Error> {
        if value.serialize(self)? {
            return Err(Error::custom("JSON has no `Some` of nothing: it would be read back as `None`"));
        }
        Ok(false)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        value.serialize(self).map(|_| false)
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
                value.serialize(*self).map(drop)
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
        key.serialize(*self).map(drop)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(*self).map(drop)
    }

    fn end(self) -> Result<bool, Error> {
        Ok(false)
    }
}

#[cfg(test)]
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
}
