//! The templates in worker/templates: the text of each kind of notification in each language.
//!
//! Each kind has a plain text, an HTML page and a line for SMS. The first line of the plain text is
//! the e-mail's subject. `reason.txt` translates a reason, and all templates show the result. The
//! templates are compiled into the worker. A file of the same name in the folder `NOTICE_TEMPLATES`
//! replaces a template, so a shop can change its texts without a build. Every value is escaped in
//! HTML, so neither a product's name nor a reason can add markup.

use super::notice::Facts;
use anyhow::{Context, ensure};
use minijinja::{Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig};
use orders::{contact::Language, text::shorten};
use std::{fs, io::ErrorKind, path::Path};

/// The kinds of notifications, as in the names of their templates.
const KINDS: [&str; 8] = ["confirmed", "action_required", "in_review", "shipped", "delivered", "cancelled", "failed", "refunded"];

/// The names and contents of the templates in a folder.
macro_rules! files {
    ($folder:literal: $($file:literal)*) => {
        &[$((concat!($folder, $file), include_str!(concat!("../../templates/", $folder, $file)))),*]
    };
}

macro_rules! language {
    ($folder:literal) => {
        files!($folder:
            "order.txt" "order.html" "reason.txt"
            "confirmed.txt" "confirmed.html" "confirmed.sms"
            "action_required.txt" "action_required.html" "action_required.sms"
            "in_review.txt" "in_review.html" "in_review.sms"
            "shipped.txt" "shipped.html" "shipped.sms"
            "delivered.txt" "delivered.html" "delivered.sms"
            "cancelled.txt" "cancelled.html" "cancelled.sms"
            "failed.txt" "failed.html" "failed.sms"
            "refunded.txt" "refunded.html" "refunded.sms"
        )
    };
}

type Files = &'static [(&'static str, &'static str)];
const BUILT_IN: [Files; 3] = [files!("": "layout.html"), language!("en/"), language!("ru/")];

/// An e-mail that is ready to be sent.
pub(super) struct Mail {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

pub(super) struct Templates(Environment<'static>);

impl Templates {
    /// Loads the built-in templates. A file of the same name in the shop's folder `custom_folder`
    /// replaces a built-in one. Each template is rendered with examples, so a mistake shows now and
    /// not when the first customer is notified.
    pub(super) fn load(custom_folder: Option<&Path>) -> anyhow::Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        // `{{ text|shorten(60) }}` shortens a text to at most 60 characters and cuts it between
        // words.
        environment.add_filter("shorten", shortened);
        if let Some(folder) = custom_folder {
            ensure!(folder.is_dir(), "NOTICE_TEMPLATES: {} is not a folder", folder.display());
        }
        for (name, built_in) in BUILT_IN.into_iter().flatten() {
            match custom_folder.map(|folder| fs::read_to_string(folder.join(name))) {
                Some(Ok(text)) => environment.add_template_owned(*name, text),
                Some(Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(|| format!("template {name}")),
                _ => environment.add_template(name, built_in),
            }?;
        }
        let templates = Self(environment);
        for language in Language::ALL {
            for kind in KINDS {
                for facts in Facts::examples(*language) {
                    templates.render_mail(kind, &facts)?;
                    templates.render_sms(kind, &facts)?;
                }
            }
        }
        Ok(templates)
    }

    pub(super) fn render_mail(&self, kind: &str, facts: &Facts) -> anyhow::Result<Mail> {
        let language = facts.language.as_str();
        let context = self.context(facts)?;
        let rendered = self.render(&format!("{language}/{kind}.txt"), context.clone())?;
        let (first, text) = rendered.split_once('\n').unwrap_or((&rendered, ""));
        let subject = first.strip_prefix("Subject: ").with_context(|| format!("{language}/{kind}.txt must begin with `Subject: `"))?.trim();
        let html = self.render(&format!("{language}/{kind}.html"), context! { subject, ..context })?;
        Ok(Mail { subject: subject.to_owned(), text: text.trim_start().to_owned(), html })
    }

    pub(super) fn render_sms(&self, kind: &str, facts: &Facts) -> anyhow::Result<String> {
        Ok(self.render(&format!("{}/{kind}.sms", facts.language.as_str()), self.context(facts)?)?.trim().to_owned())
    }

    /// The variables of the templates, with the reason in the customer's language. The reason is
    /// not escaped here; an HTML template escapes it.
    fn context(&self, facts: &Facts) -> anyhow::Result<Value> {
        let translate = |reason| self.render(&format!("{}/reason.txt", facts.language.as_str()), context! { reason });
        let reason = facts.reason.as_ref().map(translate).transpose()?;
        Ok(context! { reason => reason.as_deref().map(str::trim), ..facts.context() })
    }

    fn render(&self, name: &str, context: Value) -> anyhow::Result<String> {
        Ok(self.0.get_template(name)?.render(context)?)
    }
}

fn shortened(text: &str, max_chars: usize) -> String {
    shorten(text, max_chars).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::notice::Parcel, *};
    use orders::activities::PAYMENT_UNANSWERED;
    use std::{env, process};

    fn built_in() -> Templates {
        Templates::load(None).unwrap()
    }

    fn full_examples() -> impl Iterator<Item = (&'static str, Facts)> {
        Language::ALL.iter().flat_map(|language| KINDS.into_iter().map(|kind| (kind, Facts::full_example(*language))))
    }

    #[test]
    fn every_notification_shows_order_items_and_total() {
        let templates = built_in();
        for (kind, facts) in full_examples() {
            let mail = templates.render_mail(kind, &facts).unwrap();
            let total = facts.format_amount(facts.total_minor);
            for part in [&mail.text, &mail.html] {
                for expected in [&facts.order_id, "Keyboard", &total] {
                    assert!(part.contains(expected), "{kind}: {expected} is missing in {part}");
                }
                assert!(!part.contains("{{") && !part.contains("{%") && !part.contains("none"), "{kind}: {part}");
            }
            assert!(mail.text.contains("https://shop.example/orders/ord_"), "{kind}: {}", mail.text);
            assert!(mail.html.contains(&format!("<html lang=\"{}\">", facts.language.as_str())), "{kind}");
            assert!(mail.subject.contains(&facts.order_id) && !mail.subject.contains('\n'), "{kind}: {}", mail.subject);
            let sms = templates.render_sms(kind, &facts).unwrap();
            assert!(sms.contains(&facts.order_id) && !sms.contains('\n') && sms.chars().count() <= 160, "{kind}: {sms}");
        }
    }

    #[test]
    fn reason_refund_and_parcel_are_shown() {
        let templates = built_in();
        for language in Language::ALL {
            let facts = Facts::full_example(*language);
            let reason = if *language == Language::Ru { "карта отклонена" } else { "the card was declined" };
            for (kind, expected) in [
                ("failed", reason),
                ("cancelled", reason),
                ("refunded", &*facts.format_amount(1_250)),
                ("shipped", "TRACK-1"),
                ("shipped", "https://carrier.example/TRACK-1"),
            ] {
                let text = templates.render_mail(kind, &facts).unwrap().text;
                assert!(text.contains(expected), "{kind}: {text}");
            }
        }
    }

    #[test]
    fn a_reason_is_translated_to_the_customers_language() {
        let (templates, mut facts) = (built_in(), Facts::full_example(Language::Ru));
        for (reason, expected) in [
            ("it could not be checked in time", "его не успели проверить"),
            (PAYMENT_UNANSWERED, "платёжная служба не ответила, деньги не списаны"),
            ("Aurora Laptop is out of stock", "товара Aurora Laptop нет в наличии"),
            ("a product of the order is not in the catalogue", "одного из товаров нет в каталоге"),
            ("the price of PROD-7 is 12.50 USD, not 1.00", "цена товара PROD-7 — 12.50 USD, а не 1.00"),
            ("PROD-7 is priced in EUR", "цена товара PROD-7 — в EUR"),
            ("shipment 2 was lost", "посылка 2 потеряна"),
            ("shipment 12 came back undelivered", "посылка 12 вернулась недоставленной"),
            ("shipment 1 was not taken by the carrier", "посылку 1 перевозчик не взял"),
            ("shipment 1 was lost; shipment 2 was taken back", "посылка 1 потеряна; посылка 2 возвращена на склад"),
            ("a sentence of a newer release", "a sentence of a newer release"),
        ] {
            facts.reason = Some(reason.to_owned());
            let text = templates.render_mail("failed", &facts).unwrap().text;
            assert!(text.contains(&format!(": {expected}.")), "{reason}: {text}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_words_in_an_sms() {
        let templates = built_in();
        let family = "👨‍👩‍👧";
        let cases = [
            (
                Language::En,
                "the parcel shop has lost it somewhere on its way between two depots".to_owned(),
                "the parcel shop has lost it somewhere on its way between…".to_owned(),
            ),
            (Language::Ru, family.repeat(13), format!("{}…", family.repeat(11))),
        ];
        for (language, reason, expected) in cases {
            let mut facts = Facts::full_example(language);
            facts.reason = Some(reason);
            let sms = templates.render_sms("failed", &facts).unwrap();
            assert!(sms.contains(&format!(": {expected}. ")), "{sms}");
        }
    }

    #[test]
    fn a_request_for_a_decision_shows_the_available_units() {
        let (templates, mut facts) = (built_in(), Facts::full_example(Language::En));
        let mail = templates.render_mail("action_required", &facts).unwrap();
        assert!(mail.text.contains("2 × Keyboard ($1,299.99 each), of which we can send 1: $2,599.98"), "{}", mail.text);
        assert!(mail.html.contains("2 (we can send 1)"), "{}", mail.html);
        facts.items[0].available = None;
        assert!(!templates.render_mail("action_required", &facts).unwrap().text.contains("of which we can send"));
    }

    #[test]
    fn an_sms_that_asks_for_something_has_the_link() {
        let templates = built_in();
        for language in Language::ALL {
            let mut facts = Facts::full_example(*language);
            let sms = templates.render_sms("action_required", &facts).unwrap();
            assert!(sms.ends_with(facts.link.as_ref().unwrap()), "{sms}");
            facts.link = None;
            assert!(templates.render_sms("action_required", &facts).unwrap().contains(&facts.order_id));
        }
    }

    #[test]
    fn values_cannot_add_markup() {
        let templates = built_in();
        for (kind, mut facts) in full_examples() {
            let bad = "\"><script>alert('x')</script>&amp;<a href=x>";
            facts.items[0].name = bad.to_owned();
            facts.reason = Some(bad.to_owned());
            facts.parcel = Some(Parcel {
                carrier: bad.to_owned(),
                tracking_number: Some(bad.to_owned()),
                tracking_url: Some(format!("https://x/{bad}")),
            });
            let html = templates.render_mail(kind, &facts).unwrap().html;
            assert!(!html.contains("<script") && !html.contains("<a href=x>") && !html.contains("\">&amp;"), "{kind}: {html}");
            assert!(html.contains("&lt;script&gt;"), "{kind}: {html}");
        }
    }

    #[test]
    fn a_custom_template_replaces_the_built_in_one_and_its_mistakes_are_reported() {
        let folder = env::temp_dir().join(format!("orderflow-templates-{}", process::id()));
        fs::create_dir_all(folder.join("en")).unwrap();
        fs::write(folder.join("en/confirmed.txt"), "Subject: Ta for {{ order }}\n\nIt is {{ total }}.\n").unwrap();
        let facts = Facts::full_example(Language::En);
        let mail = Templates::load(Some(&folder)).unwrap().render_mail("confirmed", &facts).unwrap();
        assert_eq!((mail.subject, mail.text), (format!("Ta for {}", facts.order_id), "It is $2,599.98.".to_owned()));
        for (mistake, named) in [("Subject: {{ ordre }}\n", "en/confirmed.txt:1"), ("{% if %}", "en/confirmed.txt"), ("Hello", "Subject: ")]
        {
            fs::write(folder.join("en/confirmed.txt"), mistake).unwrap();
            let error = format!("{:#}", Templates::load(Some(&folder)).err().unwrap());
            assert!(error.contains(named), "{mistake}: {error}");
        }
        fs::remove_dir_all(&folder).unwrap();
        assert!(Templates::load(Some(&folder)).is_err());
    }
}
