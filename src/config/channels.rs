//! Reading `[[channel]]`: every problem of every channel, and secrets that are written out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::channel::{self, ChannelConfig, RulesConfig, WebhookConfig};
use super::error::Problem;
use super::server::public_url;
use super::settings::Value;
use super::{Inputs, Reader, chain, keys};
use crate::secret::{Secret, SecretSource};

/// What is said of a secret that stands in the file.
const PLAIN_SECRET: &str = "is a secret in plain text; \
     move it to a variable or a file and write env:NAME or file:PATH";

/// Whether anything of the channels is another.
pub(super) fn channels_differ(ours: &[ChannelConfig], running: &[ChannelConfig]) -> bool {
    let seen = |channels: &[ChannelConfig]| -> Vec<String> {
        let secret = |secret: &Secret| secret.expose().to_owned();
        channels
            .iter()
            .map(|channel| {
                let secrets: Vec<String> = channel.credentials.values().map(secret).collect();
                let signed = channel.webhook.as_ref().map(|webhook| {
                    (secret(&webhook.secret), webhook.previous.as_ref().map(secret))
                });
                format!("{channel:?} {secrets:?} {signed:?}")
            })
            .collect()
    };
    seen(ours) != seen(running)
}

impl Reader<'_> {
    /// The channels, and warnings of secrets that are written out.
    pub(super) fn channels(
        &mut self,
        inputs: &Inputs,
        directory: &Path,
    ) -> (Vec<ChannelConfig>, Vec<Problem>) {
        let settings = self.settings;
        let (mut channels, mut warnings) = (Vec::new(), Vec::new());
        for (index, line) in settings.channel_lines() {
            let mut at = ChannelAt { reader: self, index, inputs, directory, plain: Vec::new() };
            let channel = at.channel(line, &channels);
            warnings.append(&mut at.plain);
            channels.extend(channel);
        }
        (channels, warnings)
    }
}

/// The reading of one channel.
struct ChannelAt<'a, 'r> {
    reader: &'a mut Reader<'r>,
    index: usize,
    inputs: &'a Inputs,
    directory: &'a Path,
    plain: Vec<Problem>,
}

impl ChannelAt<'_, '_> {
    fn read<T, E: fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        self.reader.read(&keys::Path::of_channel(self.index, name), parse)
    }

    fn units(&mut self, name: &str) -> Option<u32> {
        self.read(name, |value| value.integer(&(0..=channel::UNITS_MAX)))
    }

    fn missing(&mut self, name: &str, line: usize) {
        let path = keys::Path::of_channel(self.index, name);
        if self.reader.settings.get(&path).is_none() {
            let message = "is missing: every channel has one".to_owned();
            self.reader.problems.push(Problem { key: path.to_string(), line: Some(line), message });
        }
    }

    fn secret(&mut self, path: &keys::Path) -> Option<Secret> {
        let (inputs, directory) = (self.inputs, self.directory);
        let variable = |name: &str| inputs.environment.get(name).cloned();
        let secret = self.reader.read(path, |value| {
            Secret::resolve(value.text()?, &variable, directory).map_err(|error| chain(&error))
        })?;
        if *secret.source() == SecretSource::Plain
            && let Some(given) = self.reader.settings.get(path)
        {
            self.plain.push(given.problem(path, PLAIN_SECRET.to_owned()));
        }
        Some(secret)
    }

    /// One channel; none when it has no name or kind to be known by.
    fn channel(&mut self, line: usize, others: &[ChannelConfig]) -> Option<ChannelConfig> {
        self.missing(channel::NAME, line);
        self.missing(channel::KIND, line);
        let name = self.read(channel::NAME, |value| channel::name(value.text()?, others));
        let kind = self.read(channel::KIND, |value| value.text().map(str::to_owned));
        let url = self.read(channel::URL, |value| public_url(value.text()?));
        let mode = self.read(channel::MODE, |value| value.text()?.parse());
        let locations = self.read(channel::LOCATIONS, channel::texts);
        let poll = self.read(channel::POLL_SECONDS, |value| value.integer(&(5..=86_400)));
        let rate = self.read(channel::REQUESTS_PER_SECOND, |value| value.integer(&(1..=10_000)));
        let stale = self
            .read(channel::STALE_AFTER_SECONDS, |value| value.integer(&(60..=604_800)))
            .unwrap_or(channel::stale_after_seconds_default());
        let rules = self.rules();
        let webhook = self.webhook();
        let settings = self.reader.settings;
        let places = self.places();
        let named: Vec<_> = settings.named(self.index, channel::CREDENTIALS).collect();
        let credential = |(path, name): (&keys::Path, &str)| {
            self.secret(path).map(|secret| (name.to_owned(), secret))
        };
        let credentials = named.into_iter().filter_map(credential).collect();
        Some(ChannelConfig {
            name: name?,
            kind: kind?,
            url,
            mode: mode.unwrap_or_default(),
            locations,
            places,
            poll_seconds: poll.unwrap_or(channel::poll_seconds_default()),
            stale_after_seconds: stale,
            requests_per_second: rate,
            credentials,
            webhook,
            rules,
        })
    }

    /// What feeds each place: a location twice would be sold twice.
    fn places(&mut self) -> BTreeMap<String, Vec<String>> {
        let settings = self.reader.settings;
        let (mut places, mut fed) = (BTreeMap::new(), BTreeMap::<String, String>::new());
        for (path, place) in settings.named(self.index, channel::PLACES) {
            let codes = self.reader.read(path, |value| {
                let codes = channel::texts(value)?;
                for code in &codes {
                    if let Some(other) = fed.insert(code.clone(), place.to_owned()) {
                        return Err(format!(
                            "location_shared: {code:?} feeds the place {other:?} already; a \
                             location feeds at most one place of a channel"
                        ));
                    }
                }
                Ok(codes)
            });
            places.extend(codes.map(|codes| (place.to_owned(), codes)));
        }
        let path = keys::Path::of_channel(self.index, channel::LOCATIONS);
        if let (Some(given), false) = (settings.get(&path), places.is_empty()) {
            let message = "is given, and so is [channel.places]: only one of them".to_owned();
            self.reader.problems.push(given.problem(&path, message));
        }
        places
    }

    fn rules(&mut self) -> RulesConfig {
        let default = RulesConfig::default();
        let share = self.read(channel::SHARE_PERCENT, |value| value.integer(&(0..=100)));
        RulesConfig {
            buffer: self.units(channel::BUFFER).unwrap_or(default.buffer),
            share_percent: share.unwrap_or(default.share_percent),
            max_quantity: self.units(channel::MAX_QUANTITY),
            min_quantity: self.units(channel::MIN_QUANTITY).unwrap_or(default.min_quantity),
            stale_buffer: self.units(channel::STALE_BUFFER).unwrap_or(default.stale_buffer),
        }
    }

    fn webhook(&mut self) -> Option<WebhookConfig> {
        let path = |name| keys::Path::of_channel(self.index, name);
        let (now, before) = (path(channel::SECRET), path(channel::PREVIOUS_SECRET));
        let previous = self.secret(&before);
        let secret = self.secret(&now);
        if let (Some(given), None) = (self.reader.settings.get(&before), &secret) {
            let message = "is the secret before, and there is no secret now".to_owned();
            self.reader.problems.push(given.problem(&before, message));
        }
        Some(WebhookConfig { secret: secret?, previous })
    }
}
