//! `POST /api/orders/{id}/shipments/{shipmentID}/scans` as a Lambda function.

use functions::{lambda, shipment::scan_shipment, state::OrderActionState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(scan_shipment::route().with_state(OrderActionState::new(settings).await?)).await
}
