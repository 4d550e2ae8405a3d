//! Stock: never sold twice, never lost.

use crate::support::{Draft, shared, text};
use futures::future::try_join_all;

#[test]
fn sixty_orders_for_five_units_sell_exactly_five() {
    shared(async |shop| {
        let (scarce, plenty) = (shop.product(1_000, 5).await?, shop.product(500, 1_000).await?);
        let drafts = (0..60).map(|n| {
            let draft = Draft::new("CUST-race");
            // Lines in both orders: two orders must not wait for each other. A third of them wants the scarce one on two lines.
            match n % 6 {
                0 | 1 => draft.line(&scarce, 1),
                2 => draft.line(&scarce, 1).line(&plenty, 1),
                3 => draft.line(&plenty, 1).line(&scarce, 1),
                4 => draft.line(&scarce, 1).line(&scarce, 1),
                _ => draft.line(&scarce, 1).line(&plenty, 2).line(&scarce, 2),
            }
        });
        let drafts: Vec<Draft> = drafts.collect();
        let ids = try_join_all(drafts.iter().map(|draft| shop.place(draft))).await?;
        let orders = try_join_all(ids.iter().map(|id| shop.reaches(id, &["COMPLETED", "FAILED"]))).await?;

        // Orders of one unit always fit while there is stock, so all of it is sold.
        let sold: i64 = orders.iter().filter(|order| order["status"] == "COMPLETED").map(|order| units(order, &scarce.id)).sum();
        assert_eq!((sold, shop.stock(&scarce).await?), (5, (0, 5)));
        let plenty_sold: i64 = orders.iter().filter(|order| order["status"] == "COMPLETED").map(|order| units(order, &plenty.id)).sum();
        assert_eq!(shop.stock(&plenty).await?, (1_000 - plenty_sold, plenty_sold));
        for order in orders.iter().filter(|order| order["status"] == "FAILED") {
            assert_eq!(text(order, "/failureReason")?, format!("{} is out of stock", scarce.id));
        }
        shop.audit_is_clean().await
    });
}

/// Units of a product on an order's lines.
fn units(order: &serde_json::Value, product: &str) -> i64 {
    let lines = order["items"].as_array().into_iter().flatten();
    lines.filter(|line| line["productID"] == product).filter_map(|line| line["quantity"].as_i64()).sum()
}

#[test]
fn two_lines_of_a_product_are_reserved_together() {
    shared(async |shop| {
        let product = shop.product(1_000, 5).await?;
        let id = shop.place(&Draft::new("CUST-two-lines").line(&product, 3).line(&product, 3)).await?;
        shop.ends(&id, "FAILED").await?;
        assert_eq!(shop.stock(&product).await?, (5, 0));
        let id = shop.place(&Draft::new("CUST-two-lines").line(&product, 3).line(&product, 2)).await?;
        shop.ends(&id, "COMPLETED").await?;
        assert_eq!(shop.stock(&product).await?, (0, 5));
        shop.audit_is_clean().await
    });
}

#[test]
fn what_is_out_of_stock_fails_with_a_reason_and_holds_nothing() {
    shared(async |shop| {
        let (gone, there) = (shop.product(1_000, 0).await?, shop.product(1_000, 9).await?);
        let id = shop.place(&Draft::new("CUST-gone").line(&there, 2).line(&gone, 1)).await?;
        let order = shop.ends(&id, "FAILED").await?;
        assert_eq!(text(&order, "/failureReason")?, format!("{} is out of stock", gone.id));
        assert_eq!((shop.stock(&gone).await?, shop.stock(&there).await?), ((0, 0), (9, 0)));
        assert!(order["payment"].is_null());
        shop.audit_is_clean().await
    });
}
