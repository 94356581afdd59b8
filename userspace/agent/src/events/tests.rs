//! The reading thread over a ring that is a pipe.

mod rows;

use std::{
    io::{PipeReader, PipeWriter, Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, Mutex},
    time::Duration,
};

use tidegate_abi::{EventFilter, Family, Ip6, Port, Proto, Reason};
use tidegate_control::PortKey;
use tokio::{sync::watch, time::timeout};

use super::*;
use crate::names::{Names, Published, ServiceName};

/// What the kernel has been told, and events that it has written.
#[derive(Clone, Debug, Default)]
struct Ring(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    filters: Vec<EventFilter>,
    events: Vec<Event>,
}

struct Fake {
    ring: Ring,
    bell: PipeReader,
}

impl Source for Fake {
    fn descriptor(&self) -> io::Result<OwnedFd> {
        self.bell.as_fd().try_clone_to_owned()
    }
    fn set_filter(&mut self, filter: &EventFilter) -> Result<(), String> {
        if filter.shift == 31 {
            return Err("the map is gone".into());
        }
        self.ring.0.lock().unwrap().filters.push(*filter);
        Ok(())
    }
    fn drain_some(&mut self, most: u32, show: &mut dyn FnMut(&Event)) -> u32 {
        let events: Vec<Event> = {
            let all = &mut self.ring.0.lock().unwrap().events;
            let most = all.len().min(most as usize);
            all.drain(..most).collect()
        };
        if events.is_empty() {
            // Level to edge: what rang is taken.
            let mut rung = [0; 64];
            let _count = self.bell.read(&mut rung);
        }
        events.iter().for_each(show);
        u32::try_from(events.len()).unwrap()
    }
}

struct Stage {
    ring: Ring,
    bell: PipeWriter,
    events: Events,
    names: watch::Sender<Published>,
}

fn stage() -> Stage {
    let (reader, bell) = io::pipe().unwrap();
    nix::fcntl::fcntl(
        &reader,
        nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
    )
    .unwrap();
    let ring = Ring::default();
    let source = Fake {
        ring: ring.clone(),
        bell: reader,
    };
    let names = watch::Sender::new(Published::default());
    let events = Events::start(source, names.subscribe()).unwrap();
    Stage {
        ring,
        bell,
        events,
        names,
    }
}

impl Stage {
    fn happens(&mut self, events: impl IntoIterator<Item = Event>) {
        self.ring.0.lock().unwrap().events.extend(events);
        self.bell.write_all(b"!").unwrap();
    }

    fn filter(&self) -> EventFilter {
        let state = self.ring.0.lock().unwrap();
        state.filters.last().copied().unwrap_or_default()
    }

    async fn filter_becomes(&self, is_right: impl Fn(&EventFilter) -> bool) {
        for _ in 0..1000 {
            if is_right(&self.filter()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", self.filter());
    }
}

fn names(services: &[(u32, &str)]) -> Published {
    let services = services.iter().map(|(id, name)| {
        let key = PortKey {
            namespace: "default".into(),
            service: (*name).to_owned(),
            port_name: id.to_string(),
            proto: Proto::TCP,
            family: Family::V4,
        };
        (
            *id,
            ServiceName {
                key: Arc::new(key),
                port: 80,
                ready: 1,
                total: 1,
            },
        )
    });
    let names: Names = services.collect();
    Published {
        names: Arc::new(names),
        ..Published::default()
    }
}

fn ip(text: &str) -> Ip6 {
    let ip: std::net::IpAddr = text.parse().unwrap();
    let mapped = match ip {
        std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        std::net::IpAddr::V6(ip) => ip,
    };
    Ip6::new(mapped.octets())
}

fn event(reason: Reason, service: u32, client: &str) -> Event {
    Event {
        time_ns: mono_now(),
        reason: reason as u32,
        service,
        proto: 6,
        src: ip(client),
        dst: ip("10.96.0.10"),
        src_port: Port::new(40000),
        dst_port: Port::new(80),
        ..Event::default()
    }
}

fn bit(reason: Reason) -> u64 {
    1 << (reason as u32)
}

fn drops() -> Wish {
    Wish {
        reasons: bit(Reason::SourceRange),
        ..Wish::default()
    }
}

async fn hear(listener: &mut Listener, count: usize) -> Vec<Heard> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let more = timeout(Duration::from_secs(20), listener.next(&mut heard, 10_000)).await;
        assert!(more.expect("in time") > 0);
    }
    heard
}

fn clients(heard: &[Heard]) -> Vec<Ip6> {
    let clients = heard.iter().map(|it| match it {
        Heard::Event(event) => event.src,
        Heard::Lost(_) => Ip6::default(),
    });
    clients.collect()
}

#[tokio::test]
async fn the_kernel_is_told_who_listens_and_nothing_when_the_last_has_left() {
    let stage = stage();
    let first = stage.events.listen(drops()).await.unwrap();
    assert_eq!(stage.filter().reasons, bit(Reason::SourceRange));
    let new = Wish {
        reasons: bit(Reason::NewFlow),
        ..Wish::default()
    };
    let second = stage.events.listen(new).await.unwrap();
    assert_eq!(
        stage.filter().reasons,
        bit(Reason::SourceRange) | bit(Reason::NewFlow)
    );
    drop(first);
    stage
        .filter_becomes(|it| it.reasons == bit(Reason::NewFlow))
        .await;
    drop(second);
    stage.filter_becomes(|it| it.reasons == 0).await;
}

#[tokio::test]
async fn everybody_hears_what_they_wished_for_and_no_more() {
    let mut stage = stage();
    stage.names.send_replace(names(&[(3, "web"), (4, "dns")]));
    let block = |text: &str| Wish {
        block: Some(text.parse().unwrap()),
        ..drops()
    };
    let mut near = stage.events.listen(block("192.168.1.0/24")).await.unwrap();
    let mut one = stage.events.listen(block("10.0.0.7")).await.unwrap();
    let web = Some(("default".to_owned(), "web".to_owned()));
    let mut of_web = stage
        .events
        .listen(Wish {
            service: web,
            ..drops()
        })
        .await
        .unwrap();
    stage.happens([
        event(Reason::SourceRange, 4, "192.168.1.9"),
        event(Reason::SourceRange, 3, "10.0.0.7"),
        event(Reason::NotOwned, 3, "10.0.0.7"),
        event(Reason::SourceRange, 3, "10.0.0.8"),
        event(Reason::SourceRange, 4, "192.168.1.10"),
        event(Reason::SourceRange, 3, "10.0.0.7"),
    ]);
    assert_eq!(
        clients(&hear(&mut near, 2).await),
        [ip("192.168.1.9"), ip("192.168.1.10")]
    );
    assert_eq!(
        clients(&hear(&mut one, 2).await),
        [ip("10.0.0.7"), ip("10.0.0.7")]
    );
    assert_eq!(
        clients(&hear(&mut of_web, 3).await),
        [ip("10.0.0.7"), ip("10.0.0.8"), ip("10.0.0.7")]
    );
}

#[tokio::test]
async fn a_slow_listener_is_told_how_much_it_lost_and_others_lose_nothing() {
    let mut stage = stage();
    let mut slow = stage.events.listen(drops()).await.unwrap();
    let mut quick = stage.events.listen(drops()).await.unwrap();
    let all = WAITING + 500;
    for part in 0..3 {
        let some = if part < 2 { WAITING / 2 } else { 500 };
        stage.happens((0..some).map(|_| event(Reason::SourceRange, 0, "10.0.0.7")));
        hear(&mut quick, some).await;
    }
    let mut told = 0;
    let mut heard = 0;
    while heard + told < all {
        for it in hear(&mut slow, 1).await {
            match it {
                Heard::Event(_) => heard += 1,
                Heard::Lost(lost) => told += usize::try_from(lost).unwrap(),
            }
        }
    }
    assert_eq!((heard, told), (WAITING, 500));
}

#[tokio::test]
async fn sampling_that_the_kernel_does_for_all_is_finished_here() {
    let mut stage = stage();
    let quarter = Wish {
        shift: 2,
        ..drops()
    };
    let mut few = stage.events.listen(quarter.clone()).await.unwrap();
    assert_eq!(stage.filter().shift, 2);
    let mut more = stage
        .events
        .listen(Wish {
            shift: 1,
            ..quarter
        })
        .await
        .unwrap();
    assert_eq!(stage.filter().shift, 1);
    // Half of 16 packets, as the kernel would tell.
    stage.happens((0..8).map(|_| event(Reason::SourceRange, 0, "10.0.0.7")));
    assert_eq!(hear(&mut more, 8).await.len(), 8);
    assert_eq!(hear(&mut few, 4).await.len(), 4);
}

#[tokio::test]
async fn a_service_with_one_port_is_left_to_the_kernel_and_follows_its_changes() {
    let stage = stage();
    stage.names.send_replace(names(&[(3, "web"), (4, "dns")]));
    let web = Some(("default".to_owned(), "web".to_owned()));
    let _listener = stage
        .events
        .listen(Wish {
            service: web,
            ..drops()
        })
        .await
        .unwrap();
    stage.filter_becomes(|it| it.service == 3).await;
    stage.names.send_replace(names(&[(3, "web"), (5, "web")]));
    stage.filter_becomes(|it| it.service == 0).await;
    stage.names.send_replace(names(&[(5, "web")]));
    stage.filter_becomes(|it| it.service == 5).await;
}

#[tokio::test]
async fn blocks_are_joined_to_the_smallest_one_around_them() {
    let stage = stage();
    let block = |text: &str| Wish {
        block: Some(text.parse().unwrap()),
        ..drops()
    };
    let _one = stage.events.listen(block("10.0.0.1")).await.unwrap();
    let full = u128::MAX;
    assert_eq!(stage.filter().mask, Ip6::new(full.to_be_bytes()));
    let _two = stage.events.listen(block("10.0.0.2")).await.unwrap();
    assert_eq!(stage.filter().mask, Ip6::new((full << 2).to_be_bytes()));
    assert_eq!(stage.filter().addr, ip("10.0.0.0"));
    let _any = stage.events.listen(drops()).await.unwrap();
    assert_eq!(stage.filter().mask, Ip6::default());
}

#[tokio::test]
async fn a_wish_that_the_kernel_does_not_take_is_refused_and_forgotten() {
    let stage = stage();
    let error = stage
        .events
        .listen(Wish {
            shift: 31,
            ..drops()
        })
        .await
        .unwrap_err();
    assert_eq!(error, "the map is gone");
    let _fine = stage.events.listen(drops()).await.unwrap();
    assert_eq!(stage.filter().reasons, bit(Reason::SourceRange));
}

#[tokio::test]
async fn there_is_room_for_many_listeners_but_not_for_all() {
    let stage = stage();
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS_MOST {
        listeners.push(stage.events.listen(drops()).await.unwrap());
    }
    let error = stage.events.listen(drops()).await.unwrap_err();
    assert!(error.contains("listen already"), "{error}");
    listeners.pop();
    for _ in 0..1000 {
        if stage.events.listen(drops()).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place of one that left stays taken");
}
