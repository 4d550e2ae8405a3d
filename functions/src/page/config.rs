//! The page's configuration, `config.json`, which web/src/config.ts reads. In AWS, infra/deploy
//! writes it.

use super::Settings;
use crate::identity;
use platform::trace;
use serde::Serialize;
use serde_json::{Value, json};
use std::str::FromStr;

/// The payment methods that customers may choose, in the order in which the page offers them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PaymentMethods(Vec<PaymentMethod>);

#[derive(Clone, Debug, Serialize)]
struct PaymentMethod {
    /// The gateway's token.
    id: String,
    label: String,
}

impl FromStr for PaymentMethods {
    type Err = &'static str;

    /// Parses `id=label,id=label`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let methods = text.split(',').map(str::trim).filter(|method| !method.is_empty()).map(|method| {
            let (id, label) = method.split_once('=').unwrap_or_default();
            let (id, label) = (id.trim().to_owned(), label.trim().to_owned());
            if id.is_empty() || label.is_empty() {
                Err("must be tokens and their names, such as pm_card=Card")
            } else {
                Ok(PaymentMethod { id, label })
            }
        });
        methods.collect::<Result<_, _>>().map(Self)
    }
}

/// The text of `config.json`. It contains only what every visitor may know.
pub(super) fn json(settings: &Settings, identity: &identity::Settings, temporal_namespace: &str) -> String {
    let sign_in = identity
        .auth_issuer
        .as_ref()
        .zip(settings.auth_client_id.as_ref())
        .map_or(Value::Null, |(issuer, client_id)| json!({ "issuer": issuer, "clientId": client_id, "scope": settings.auth_client_scope }));
    let temporal = settings.temporal_web_port.map(|port| format!("http://localhost:{port}/namespaces/{temporal_namespace}"));
    let sandbox = settings.payment_gateway == "sandbox";
    let mut links = json!({});
    for (name, link) in [("temporal", temporal), ("trace", settings.traces_link.clone())] {
        if let Some(link) = link {
            links[name] = json!(link);
        }
    }
    let mut config = json!({ "signIn": sign_in, "sandbox": sandbox, "ships": settings.carrier != "none", "links": links });
    if !sandbox && !settings.payment_methods.0.is_empty() {
        config["paymentMethods"] = json!(settings.payment_methods);
    }
    if trace::is_on() {
        config["traces"] = json!(true);
    }
    config.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        page: Settings,
        #[command(flatten)]
        identity: identity::Settings,
    }

    fn config(arguments: &[&str]) -> Value {
        let cli = Cli::parse_from(["api"].iter().chain(arguments));
        serde_json::from_str(&json(&cli.page, &cli.identity, "orders")).unwrap()
    }

    #[test]
    fn an_open_shop_has_no_sign_in() {
        let links = json!({ "temporal": "http://localhost:8088/namespaces/orders" });
        let open = json!({ "signIn": null, "sandbox": true, "ships": true, "links": links });
        assert_eq!(config(&["--aws-endpoint-url", "http://127.0.0.1:4566", "--temporal-web-port", "8088"]), open);
        assert_eq!(config(&["--auth-issuer", "https://i"]), json!({ "signIn": null, "sandbox": true, "ships": true, "links": {} }));
    }

    #[test]
    fn an_issuer_and_a_client_are_a_sign_in() {
        let sign_in = json!({ "issuer": "https://i", "clientId": "page", "scope": "openid email" });
        let arguments = ["--auth-issuer", "https://i", "--auth-client-id", "page", "--auth-client-scope", "openid email"];
        assert_eq!(config(&arguments)["signIn"], sign_in);
    }

    #[test]
    fn staff_get_a_link_to_a_trace() {
        let config = config(&["--aws-endpoint-url", "http://127.0.0.1:4566", "--traces-link", "http://localhost:16686/trace/{traceID}"]);
        assert_eq!(config["links"], json!({ "trace": "http://localhost:16686/trace/{traceID}" }));
    }

    #[test]
    fn a_shop_without_a_carrier_ships_nothing() {
        assert_eq!(config(&["--carrier", "none"])["ships"], false);
        assert_eq!(config(&["--carrier", "sandbox"])["ships"], true);
    }

    #[test]
    fn only_the_sandbox_gateway_moves_no_money() {
        let [sandbox, stripe] = ["sandbox", "stripe"].map(|gateway| {
            config(&["--aws-endpoint-url", "http://127.0.0.1:4566", "--payment-methods", "pm_card=Card", "--payment-gateway", gateway])
        });
        assert_eq!((&sandbox["sandbox"], sandbox.get("paymentMethods")), (&json!(true), None));
        assert_eq!((&stripe["sandbox"], &stripe["paymentMethods"][0]["id"]), (&json!(false), &json!("pm_card")));
    }

    #[test]
    fn what_can_be_paid_with_is_named_in_its_order() {
        let methods = json!([{ "id": "pm_sepa", "label": "Direct debit" }, { "id": "pm_card", "label": "Card" }]);
        let stripe = |methods| config(&["--payment-gateway", "stripe", "--payment-methods", methods]);
        assert_eq!(stripe("pm_sepa=Direct debit, pm_card=Card")["paymentMethods"], methods);
        assert_eq!(stripe("").get("paymentMethods"), None);
        for wrong in ["pm_card", "=Card", "pm_card= "] {
            assert!(Cli::try_parse_from(["api", "--payment-methods", wrong]).is_err(), "{wrong}");
        }
    }
}
