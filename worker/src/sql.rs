//! The worker's SQL. Each statement is a file in `worker/sql`. The submodules declare the
//! statements by area, with the types of their parameters and columns.
//!
//! A declaration creates a function that has the name of the file and runs the statement. The
//! function's result says how many rows there are: `Row` is exactly one row, `Option<Row>` at most
//! one, `Vec<Row>` any number, and `u64` is the number of rows that the statement changed. A
//! `cached` statement stays prepared on its connection. A `once` statement runs rarely and is
//! prepared for each call.
//!
//! Columns are read by name. A test prepares every file in the migrated schema, and compares the
//! types of parameters and columns with the declaration.

pub(crate) mod attention;
pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod failing;
pub(crate) mod history;
pub(crate) mod maintenance;
pub(crate) mod migrate;
pub(crate) mod notification;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod projection;
pub(crate) mod refund;
pub(crate) mod report;
pub(crate) mod restock;
pub(crate) mod resume;
pub(crate) mod risk;
pub(crate) mod sandbox_carrier;
pub(crate) mod sandbox_gateway;
pub(crate) mod shipping;
pub(crate) mod stock;
pub(crate) mod system;
#[cfg(test)]
mod tests;

use deadpool_postgres::GenericClient;
use futures::future::BoxFuture;
use std::marker::PhantomData;
#[cfg(test)]
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row, Statement, types::ToSql};

/// A row with named columns.
pub(crate) trait Columns: Sized {
    #[cfg(test)]
    fn columns() -> Vec<Column>;

    fn read(row: &Row) -> Result<Self, Error>;
}

/// A row that is read in two parts. The first part is needed even if the second cannot be read.
impl<A: Columns, B: Columns> Columns for (A, B) {
    #[cfg(test)]
    fn columns() -> Vec<Column> {
        A::columns().into_iter().chain(B::columns()).collect()
    }

    fn read(row: &Row) -> Result<Self, Error> {
        Ok((A::read(row)?, B::read(row)?))
    }
}

/// How a statement is prepared.
#[derive(Clone, Copy)]
pub(crate) enum Preparation {
    /// The statement stays prepared on its connection.
    Cached,
    /// The statement is prepared for this call.
    Once,
}

/// A connection or a transaction that runs statements.
///
/// Callers take it as `&dyn Client`. With a type parameter, the compiler would compile each of
/// their functions once for each type of client.
pub(crate) trait Client: Sync {
    /// Runs a statement and returns the number of rows that it changed.
    fn execute<'a>(&'a self, statement: &'a str, preparation: Preparation, values: Values<'a>) -> BoxFuture<'a, Result<u64, Error>>;

    /// Runs a statement and returns its rows.
    fn query<'a>(&'a self, statement: &'a str, preparation: Preparation, values: Values<'a>) -> BoxFuture<'a, Result<Vec<Row>, Error>>;

    /// Runs a statement and returns its row. It is an error if there is not exactly one row.
    fn query_one<'a>(&'a self, statement: &'a str, preparation: Preparation, values: Values<'a>) -> BoxFuture<'a, Result<Row, Error>>;

    /// Runs a statement and returns its row, if there is one. It is an error if there are several.
    fn query_opt<'a>(
        &'a self,
        statement: &'a str,
        preparation: Preparation,
        values: Values<'a>,
    ) -> BoxFuture<'a, Result<Option<Row>, Error>>;
}

/// The values of a statement's parameters.
pub(crate) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

async fn prepare(client: &impl GenericClient, statement: &str, preparation: Preparation) -> Result<Statement, Error> {
    match preparation {
        Preparation::Cached => client.prepare_cached(statement).await,
        Preparation::Once => client.prepare(statement).await,
    }
}

impl<C: GenericClient + Sync> Client for C {
    fn execute<'a>(&'a self, statement: &'a str, preparation: Preparation, values: Values<'a>) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move { GenericClient::execute(self, &prepare(self, statement, preparation).await?, values).await })
    }

    fn query<'a>(&'a self, statement: &'a str, preparation: Preparation, values: Values<'a>) -> BoxFuture<'a, Result<Vec<Row>, Error>> {
        Box::pin(async move { GenericClient::query(self, &prepare(self, statement, preparation).await?, values).await })
    }

    fn query_one<'a>(&'a self, statement: &'a str, preparation: Preparation, values: Values<'a>) -> BoxFuture<'a, Result<Row, Error>> {
        Box::pin(async move { GenericClient::query_one(self, &prepare(self, statement, preparation).await?, values).await })
    }

    fn query_opt<'a>(
        &'a self,
        statement: &'a str,
        preparation: Preparation,
        values: Values<'a>,
    ) -> BoxFuture<'a, Result<Option<Row>, Error>> {
        Box::pin(async move { GenericClient::query_opt(self, &prepare(self, statement, preparation).await?, values).await })
    }
}

/// The result of a statement.
pub(crate) trait QueryResult: Sized {
    #[cfg(test)]
    fn columns() -> Vec<Column>;

    fn fetch(
        client: &dyn Client,
        statement: &str,
        preparation: Preparation,
        values: Values<'_>,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// The number of rows that a statement changed, or that a SELECT found.
impl QueryResult for u64 {
    #[cfg(test)]
    fn columns() -> Vec<Column> {
        Vec::new()
    }

    async fn fetch(client: &dyn Client, statement: &str, preparation: Preparation, values: Values<'_>) -> Result<Self, Error> {
        client.execute(statement, preparation, values).await
    }
}

/// Exactly one row.
impl<R: Columns> QueryResult for R {
    #[cfg(test)]
    fn columns() -> Vec<Column> {
        R::columns()
    }

    async fn fetch(client: &dyn Client, statement: &str, preparation: Preparation, values: Values<'_>) -> Result<Self, Error> {
        R::read(&client.query_one(statement, preparation, values).await?)
    }
}

impl<R: Columns> QueryResult for Option<R> {
    #[cfg(test)]
    fn columns() -> Vec<Column> {
        R::columns()
    }

    async fn fetch(client: &dyn Client, statement: &str, preparation: Preparation, values: Values<'_>) -> Result<Self, Error> {
        client.query_opt(statement, preparation, values).await?.as_ref().map(R::read).transpose()
    }
}

impl<R: Columns> QueryResult for Vec<R> {
    #[cfg(test)]
    fn columns() -> Vec<Column> {
        R::columns()
    }

    async fn fetch(client: &dyn Client, statement: &str, preparation: Preparation, values: Values<'_>) -> Result<Self, Error> {
        client.query(statement, preparation, values).await?.iter().map(R::read).collect()
    }
}

/// Rows that the caller reads one by one, so that a row that cannot be read does not hide the
/// others.
pub(crate) struct Rows<R> {
    rows: Vec<Row>,
    read_as: PhantomData<fn() -> R>,
}

impl<R: Columns> Rows<R> {
    /// The rows before they are read. `R::read` reads one.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Row> + DoubleEndedIterator {
        self.rows.iter()
    }
}

impl<R: Columns> QueryResult for Rows<R> {
    #[cfg(test)]
    fn columns() -> Vec<Column> {
        R::columns()
    }

    async fn fetch(client: &dyn Client, statement: &str, preparation: Preparation, values: Values<'_>) -> Result<Self, Error> {
        Ok(Self { rows: client.query(statement, preparation, values).await?, read_as: PhantomData })
    }
}

/// The statement in a file, without the comments above it.
const fn statement(file: &'static str) -> &'static str {
    let mut rest = file.as_bytes();
    while let [b'-', b'-', line @ ..] = rest {
        rest = line;
        while let [byte, after @ ..] = rest {
            rest = after;
            if *byte == b'\n' {
                break;
            }
        }
    }
    file.split_at(file.len() - rest.len()).1
}

/// Declares the statements of an area. For each statement, it defines a function that runs it. A
/// statement with many parameters takes them as a struct.
macro_rules! statements {
    ($area:literal; $($(#[$meta:meta])* $mode:ident fn $name:ident $parameters:tt -> $result:ty;)*) => {
        $($crate::sql::function! { $area $(#[$meta])* $mode $name $parameters $result })*

        #[cfg(test)]
        pub(super) const DECLARED: &[$crate::sql::Declared] = &[$($crate::sql::Declared {
            file: concat!($area, "/", stringify!($name), ".sql"),
            statement: $crate::sql::text!($area $name),
            parameters: $crate::sql::parameters!($parameters),
            columns: <$result as $crate::sql::QueryResult>::columns,
        }),*];
    };
}

macro_rules! text {
    ($area:literal $name:ident) => {
        const { $crate::sql::statement(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $area, "/", stringify!($name), ".sql"))) }
    };
}

macro_rules! function {
    ($area:literal $(#[$meta:meta])* $mode:ident $name:ident ($($parameter:ident: $type:ty),* $(,)?) $result:ty) => {
        #[doc = "```sql"]
        #[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $area, "/", stringify!($name), ".sql"))]
        #[doc = "```"]
        $(#[$meta])*
        pub(crate) async fn $name(
            client: &dyn $crate::sql::Client, $($parameter: $type),*
        ) -> Result<$result, tokio_postgres::Error> {
            $crate::sql::run!($mode client, $crate::sql::name!($area $name), $crate::sql::text!($area $name), $result, [$($parameter),*])
        }
    };
    ($area:literal $(#[$meta:meta])* $mode:ident $name:ident ($struct:ident<$life:lifetime> {
        $($(#[$parameter_meta:meta])* $parameter:ident: $type:ty),* $(,)?
    }) $result:ty) => {
        #[doc = concat!("Parameters of [`", stringify!($name), "`].")]
        pub(crate) struct $struct<$life> {
            $($(#[$parameter_meta])* pub(crate) $parameter: $type),*
        }

        #[cfg(test)]
        impl<$life> $struct<$life> {
            const PARAMETERS: &'static [$crate::sql::Parameter] = $crate::sql::parameters!(($($parameter: $type),*));
        }

        #[doc = "```sql"]
        #[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $area, "/", stringify!($name), ".sql"))]
        #[doc = "```"]
        $(#[$meta])*
        pub(crate) async fn $name(
            client: &dyn $crate::sql::Client, values: $struct<'_>
        ) -> Result<$result, tokio_postgres::Error> {
            $crate::sql::run!($mode client, $crate::sql::name!($area $name), $crate::sql::text!($area $name), $result, [$(values.$parameter),*])
        }
    };
}

/// The name of a statement in traces.
macro_rules! name {
    ($area:literal $name:ident) => {
        concat!($area, "/", stringify!($name))
    };
}

macro_rules! run {
    (cached $client:ident, $name:expr, $text:expr, $result:ty, [$($value:expr),*]) => {
        $crate::sql::run!(Cached $client, $name, $text, $result, [$($value),*])
    };
    (once $client:ident, $name:expr, $text:expr, $result:ty, [$($value:expr),*]) => {
        $crate::sql::run!(Once $client, $name, $text, $result, [$($value),*])
    };
    ($preparation:ident $client:ident, $name:expr, $text:expr, $result:ty, [$($value:expr),*]) => {{
        let span = $crate::trace::statement_span($name);
        let fetched =
            <$result as $crate::sql::QueryResult>::fetch($client, $text, $crate::sql::Preparation::$preparation, &[$(&$value),*]).await;
        $crate::trace::end_statement(span, fetched.as_ref().err());
        fetched
    }};
}

#[cfg(test)]
macro_rules! parameters {
    (($($parameter:ident: $type:ty),* $(,)?)) => {
        &[$($crate::sql::Parameter {
            name: stringify!($parameter),
            accepts: <$type as tokio_postgres::types::ToSql>::accepts,
        }),*]
    };
    (($struct:ident<$life:lifetime> { $($parameter:tt)* })) => {
        $struct::PARAMETERS
    };
}

/// Declares rows: structs whose fields have the names and types of the columns to read.
macro_rules! rows {
    ($($(#[$meta:meta])* struct $row:ident { $($(#[$field_meta:meta])* $column:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        pub(crate) struct $row {
            $($(#[$field_meta])* pub(crate) $column: $type),*
        }

        impl $crate::sql::Columns for $row {
            #[cfg(test)]
            fn columns() -> Vec<$crate::sql::Column> {
                vec![$($crate::sql::Column {
                    name: stringify!($column),
                    accepts: <$type as tokio_postgres::types::FromSql>::accepts,
                }),*]
            }

            fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
                Ok(Self { $($column: row.try_get(stringify!($column))?),* })
            }
        }
    )*};
}

rows! {
    /// The id of a row of any table.
    struct Id {
        id: String,
    }
}

#[cfg(test)]
use parameters;
use {function, name, rows, run, statements, text};

/// The declaration of a statement.
#[cfg(test)]
#[derive(Clone, Copy)]
struct Declared {
    /// The path of the statement's file, relative to `worker/sql`.
    file: &'static str,
    statement: &'static str,
    parameters: &'static [Parameter],
    /// The columns that are read.
    columns: fn() -> Vec<Column>,
}

#[cfg(test)]
pub(crate) struct Parameter {
    name: &'static str,
    accepts: fn(&Type) -> bool,
}

#[cfg(test)]
pub(crate) struct Column {
    name: &'static str,
    accepts: fn(&Type) -> bool,
}
