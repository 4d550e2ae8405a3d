//! `GET /api/orders?customerID=`.

use crate::support::{Draft, FAST, Shop, answer, text, with_own_stack, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use futures::future::try_join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

/// One page of a list, and the cursor of the next page.
async fn page(shop: &Shop, query: &str) -> Result<(Vec<String>, Option<String>)> {
    let (status, list) = answer(shop.get(&format!("/api/orders?{query}")).await?).await?;
    ensure!(status == StatusCode::OK, "{query} was answered with {status}: {list}");
    let items = list["items"].as_array().context("no items")?;
    let ids = items.iter().map(|order| Ok(text(order, "/id")?.to_owned())).collect::<Result<_>>()?;
    Ok((ids, list["nextCursor"].as_str().map(ToOwned::to_owned)))
}

/// All pages of a list.
async fn pages(shop: &Shop, query: &str) -> Result<Vec<Vec<String>>> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let next = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let (ids, more) = page(shop, &format!("{query}{next}")).await?;
        found.push(ids);
        ensure!(found.len() < 50, "the list does not end");
        cursor = more;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

#[test]
fn a_customers_orders_are_listed_newest_first_in_pages() {
    with_shared_stack(async |shop| {
        let (product, customer) = (shop.product(1_000, 1_000).await?, shop.unique("CUST-list"));
        let stranger = shop.unique("CUST-stranger");
        let mut newest_first = Vec::new();
        for n in 0..23 {
            let method = if n % 5 == 0 { "tok_declined" } else { "tok_visa" };
            newest_first.insert(0, shop.place(&Draft::new(&customer).line(&product, 1).payment_method(method)).await?);
        }
        shop.place(&Draft::new(&stranger).line(&product, 1)).await?;
        for id in &newest_first {
            shop.reaches(id, &["COMPLETED", "FAILED"]).await?;
        }

        let by_ten = pages(shop, &format!("customerID={customer}&limit=10")).await?;
        assert_eq!(by_ten.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
        assert_eq!(by_ten.concat(), newest_first);
        assert_eq!(pages(shop, &format!("customerID={customer}&limit=1")).await?.concat(), newest_first);
        assert_eq!(page(shop, &format!("customerID={customer}&limit=23")).await?, (newest_first.clone(), None));

        let failed = pages(shop, &format!("customerID={customer}&status=FAILED&limit=2")).await?;
        assert_eq!(failed.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(failed.concat(), newest_first.iter().rev().step_by(5).rev().cloned().collect::<Vec<_>>());
        assert_eq!(pages(shop, &format!("customerID={customer}&status=PENDING")).await?.concat(), [""; 0]);

        // An order placed between two pages does not shift them.
        let (first, cursor) = page(shop, &format!("customerID={customer}&limit=10")).await?;
        let newcomer = shop.place(&Draft::new(&customer).line(&product, 1)).await?;
        let cursor = cursor.context("no cursor")?;
        let (second, _) = page(shop, &format!("customerID={customer}&limit=10&cursor={cursor}")).await?;
        assert_eq!([first, second].concat(), newest_first[..20]);
        shop.ends(&newcomer, "COMPLETED").await?;
        assert_eq!(page(shop, &format!("customerID={customer}&limit=1")).await?.0, [newcomer]);

        // A cursor is valid only for its own list.
        let mine = format!("customerID={customer}");
        for other in [
            format!("customerID={stranger}"),
            format!("{mine}&status=FAILED"),
            format!("{mine}&sort=oldest"),
            "status=COMPLETED".to_owned(),
        ] {
            let (status, problem) = answer(shop.get(&format!("/api/orders?{other}&cursor={cursor}")).await?).await?;
            assert_eq!((status, text(&problem, "/errors/0/pointer")?), (StatusCode::UNPROCESSABLE_ENTITY, "cursor"), "{other}");
        }
        Ok(())
    });
}

#[test]
fn an_order_in_a_list_is_the_order_itself() {
    with_shared_stack(async |shop| {
        let (product, customer) = (shop.product(1_000, 10).await?, shop.unique("CUST-same"));
        let order = shop.ends(&shop.place(&Draft::new(&customer).line(&product, 2)).await?, "COMPLETED").await?;
        let (_, list) = answer(shop.get(&format!("/api/orders?customerID={customer}")).await?).await?;
        assert_eq!(list, json!({ "items": [order], "nextCursor": Value::Null }));
        Ok(())
    });
}

/// Orders of other tests are in the list, too.
#[test]
fn staff_list_all_orders_of_a_status() {
    with_shared_stack(async |shop| {
        let (product, unique) = (shop.product(1_000, 100).await?, shop.unique("CUST-all"));
        let mut oldest_first = Vec::new();
        for n in 0..5 {
            let draft = Draft::new(&format!("{unique}-{n}")).line(&product, 1).payment_method("tok_declined");
            oldest_first.push(shop.place(&draft).await?);
        }
        for id in &oldest_first {
            shop.ends(id, "FAILED").await?;
        }
        for (sort, expected) in [("oldest", oldest_first.clone()), ("newest", oldest_first.iter().rev().cloned().collect())] {
            let mut found = pages(shop, &format!("status=FAILED&sort={sort}&limit=20")).await?.concat();
            found.retain(|id| oldest_first.contains(id));
            assert_eq!(found, expected, "{sort}");
        }

        let moving = shop.place(&Draft::new(&unique).line(&product, 1).payment_method("tok_down")).await?;
        shop.reaches(&moving, &["RESERVED"]).await?;
        ensure!(pages(shop, "status=RESERVED").await?.concat().contains(&moving));
        shop.cancel(&moving).await?;
        shop.ends(&moving, "CANCELLED").await?;
        ensure!(!pages(shop, "status=RESERVED").await?.concat().contains(&moving), "what has moved on stands there no more");
        ensure!(page(shop, "status=CANCELLED&limit=100").await?.0.contains(&moving));

        let (status, problem) = answer(shop.get("/api/orders?limit=2").await?).await?;
        assert_eq!((status, text(&problem, "/errors/0/pointer")?), (StatusCode::UNPROCESSABLE_ENTITY, "customerID"));
        let (status, problem) = answer(shop.get("/api/orders?status=PAID&sort=best").await?).await?;
        assert_eq!((status, text(&problem, "/errors/0/pointer")?), (StatusCode::UNPROCESSABLE_ENTITY, "sort"));
        Ok(())
    });
}

/// Gives the order's customer `count` newer orders with another status, only in the read model.
async fn add_newer_orders(shop: &Shop, id: &str, count: u128) -> Result<()> {
    let (dynamodb, table) = (Client::new(&shop.aws()?), shop.stack.settings().get("ORDERS_TABLE")?.to_owned());
    let order =
        dynamodb.get_item().table_name(&table).key("id", AttributeValue::S(id.to_owned())).send().await?.item.context("no order")?;
    let younger = (0..count).map(|n| {
        let mut order = order.clone();
        for (name, value) in [
            ("id", format!("ord_{:032x}", 0x0193_0000_0000_7000_8000_0000_0000_0000 + n)),
            ("createdAt", format!("2099-01-01T00:00:{:02}.{:03}Z", n / 1_000, n % 1_000)),
            ("status", "COMPLETED".to_owned()),
        ] {
            order.insert(name.to_owned(), AttributeValue::S(value));
        }
        Ok(WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(order)).build()?).build())
    });
    let younger = younger.collect::<Result<Vec<_>>>()?;
    // DynamoDB accepts 25 items per batch.
    let written = younger.chunks(25).map(|chunk| dynamodb.batch_write_item().request_items(&table, chunk.to_vec()).send());
    try_join_all(written).await?;
    Ok(())
}

#[test]
fn a_rare_status_is_found_among_many_orders() {
    with_own_stack(1, &FAST, async |shop| {
        let (product, customer) = (shop.product(1_000, 10).await?, "CUST-long");
        let rare = shop.place(&Draft::new(customer).line(&product, 1).payment_method("tok_declined")).await?;
        shop.ends(&rare, "FAILED").await?;
        add_newer_orders(shop, &rare, 1_600).await?;
        for limit in [1, 100] {
            let failed = pages(shop, &format!("customerID={customer}&status=FAILED&limit={limit}")).await?;
            assert_eq!(failed, [vec![], vec![rare.clone()]], "nobody waits until all is searched");
        }
        let oldest = pages(shop, &format!("customerID={customer}&status=FAILED&sort=oldest&limit=2")).await?;
        assert_eq!(oldest, [vec![rare.clone()], vec![]]);
        assert_eq!(page(shop, &format!("customerID={customer}&status=FAILED&sort=oldest&limit=1")).await?.0, [rare]);
        Ok(())
    });
}
