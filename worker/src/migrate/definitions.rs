//! The views and functions of the schema. Each file holds one of them; a function's triggers are in
//! the function's file.
//!
//! Each file replaces what it defines, so it can be applied again. A file is applied if its
//! checksum differs from the one in the table `schema_definitions`.

use anyhow::Context as _;
use deadpool_postgres::GenericClient;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use tokio_postgres::Client;

/// A file in `migrations/`: its path there, and its text.
type File = (&'static str, &'static str);

macro_rules! files {
    ($($path:literal)*) => { [$(($path, include_str!(concat!("../../../migrations/", $path)))),*] };
}

/// All files in the order in which they are applied. A view or an SQL function comes after
/// everything that it uses.
#[rustfmt::skip]
pub(crate) const FILES: [File; 28] = files![
    "views/open_orders.sql"
    "views/order_units.sql"
    "functions/admit_notice.sql"
    "functions/authorize_payment.sql"
    "functions/bound_refused_refunds.sql"
    "functions/claim_units.sql"
    "functions/commit_reservations.sql"
    "functions/forget_payment_method.sql"
    "functions/is_stuck.sql"
    "functions/make_shipments.sql"
    "functions/move_order.sql"
    "functions/move_shipments.sql"
    "functions/record_deleted_product.sql"
    "functions/record_stock_movement.sql"
    "functions/record_projected.sql"
    "functions/record_projected_products.sql"
    "functions/notice_rank.sql"
    "functions/record_notices.sql"
    "functions/record_payment_attempt.sql"
    "functions/reserve_order.sql"
    "functions/settle_units.sql"
    "functions/split_order.sql"
    "functions/succeed_deleted_product.sql"
    "functions/touch.sql"
    "functions/unpaid_orders.sql"
    "functions/version_order.sql"
    "functions/version_product.sql"
    "functions/write_off_refunded.sql"
];

pub(super) fn checksum(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

/// Applies the files that have changed, all in one transaction. Returns the number of files
/// applied.
pub(super) async fn apply_changed(client: &mut Client) -> anyhow::Result<usize> {
    let transaction = client.transaction().await?;
    let rows = transaction.query("SELECT file, checksum FROM schema_definitions", &[]).await?;
    let mut applied = HashMap::with_capacity(rows.len());
    for row in rows {
        applied.insert(row.try_get::<_, String>(0)?, row.try_get::<_, Vec<u8>>(1)?);
    }
    let mut replaced = 0;
    for (file, text) in FILES {
        let checksum = checksum(text);
        if applied.get(file) == Some(&checksum) {
            continue;
        }
        transaction.batch_execute(text).await.with_context(|| format!("cannot apply migrations/{file}"))?;
        let record_checksum = "INSERT INTO schema_definitions (file, checksum) VALUES ($1, $2)
            ON CONFLICT (file) DO UPDATE SET checksum = EXCLUDED.checksum, applied_at = now()";
        transaction.execute(record_checksum, &[&file, &checksum]).await?;
        replaced += 1;
    }
    transaction.commit().await?;
    Ok(replaced)
}

/// Whether all files are applied with the text that they have in this release.
pub(super) async fn are_applied(client: &impl GenericClient) -> anyhow::Result<bool> {
    let (files, checksums): (Vec<_>, Vec<_>) = FILES.iter().map(|(file, text)| (*file, checksum(text))).unzip();
    let statement = client
        .prepare_cached(
            "SELECT NOT EXISTS (
                SELECT own.file, own.checksum FROM unnest($1::text[], $2::bytea[]) AS own (file, checksum)
                EXCEPT SELECT file, checksum FROM schema_definitions
            )",
        )
        .await?;
    Ok(client.query_one(&statement, &[&files, &checksums]).await?.try_get(0)?)
}
