//! Checks the worker's statements against the state machines: a trigger refuses every change of a
//! status that the tables in `orders::status` do not have. The statement then fails, and the test
//! with it. The tests themselves may change any status.

use anyhow::Result;
use orders::status::{NotificationState, PaymentStatus, RefundStatus, ReservationState, ShipmentStatus};
use tokio_postgres::Client;

const REFUSE: &str = r#"
CREATE SCHEMA tests;
GRANT USAGE ON SCHEMA tests TO PUBLIC;
CREATE FUNCTION tests.refuse_unknown_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text = CASE TG_OP WHEN 'UPDATE' THEN to_jsonb(OLD) ->> TG_ARGV[0] ELSE '' END;
    step text = before || '>' || (to_jsonb(NEW) ->> TG_ARGV[0]);
BEGIN
    IF current_setting('application_name') = 'orderflow-worker'
        AND before <> to_jsonb(NEW) ->> TG_ARGV[0] AND step <> ALL (string_to_array(TG_ARGV[1], ',')) THEN
        RAISE 'the state machine of % has no transition %', TG_TABLE_NAME, step;
    END IF;
    RETURN NULL;
END $$;
"#;

/// The transitions of a state machine, as `FROM>TO`. Those of a new row have no `FROM`.
macro_rules! steps {
    ($status:ident) => {
        $status::steps().into_iter().chain($status::FIRST.iter().map(|first| format!(">{first}"))).collect::<Vec<_>>().join(",")
    };
}

/// Adds the triggers. Orders need none, because the audit checks their history. If one statement
/// moves an order through several statuses, the history has each of them.
pub(crate) async fn refuse_unknown_transitions(client: &Client) -> Result<()> {
    let tables = [
        ("reservations", "state", steps!(ReservationState)),
        ("payments", "status", steps!(PaymentStatus)),
        ("refunds", "state", steps!(RefundStatus)),
        ("shipments", "status", steps!(ShipmentStatus)),
        ("notifications", "state", steps!(NotificationState)),
    ];
    let triggers = tables.map(|(table, column, steps)| {
        format!(
            "CREATE TRIGGER unknown_transition AFTER INSERT OR UPDATE OF {column} ON {table} FOR EACH ROW
            EXECUTE FUNCTION tests.refuse_unknown_transition('{column}', '{steps}');"
        )
    });
    client.batch_execute(&format!("BEGIN; {REFUSE} {} COMMIT;", triggers.concat())).await?;
    Ok(())
}
