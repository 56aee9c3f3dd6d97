"""The physics of the simulator: flux, angles, seeing, edge cases; the picture; and an independent oracle."""

from dataclasses import replace

import numpy as np
import pytest

from galaxy_zoo_decals.simulation import colour, field, telescope
from galaxy_zoo_decals.simulation.galaxy import Bulge, Disc, Galaxy, Ring, luminosity_distance_mpc, petrosian, sersic_b
from galaxy_zoo_decals.simulation.light import Grid, galaxy_light, sersic
from galaxy_zoo_decals.simulation.population import MAG_LIMIT, MIN_PETROSIAN_ARCSEC, REDSHIFT_LIMIT, draw_galaxy
from galaxy_zoo_decals.simulation.structure import ring_maps
from galaxy_zoo_decals.simulation.tides import tidal_light

GRID = Grid(256, 0.262)


def disc_galaxy(cos_inclination: float, position_angle: float, **disc: float) -> Galaxy:
    shape = Disc(
        scale_arcsec=3.0,
        cos_inclination=cos_inclination,
        thickness_rd=0.15,
        g_r=0.5,
        r_z=0.4,
        optical_depth=0.0,
        break_rd=3.0,
        outer_scale=1.0,
    )
    return Galaxy("spiral", -21.0, 0.05, 5.0, position_angle, 0.8, 0.66, None, replace(shape, **disc))


def elliptical(n: float = 4.0, size: float = 3.0, axis_ratio: float = 0.7, boxiness: float = 0.0) -> Galaxy:
    return Galaxy("elliptical", -21.0, 0.05, size, 0.6, 0.8, 0.66, Bulge(1.0, n, size, axis_ratio, boxiness))


def moments(image: np.ndarray, grid: Grid) -> tuple[float, float]:
    """Return the axis ratio and the position angle (north through east, 0 to pi) from second moments."""
    total = image.sum()
    nn = (image * grid.north**2).sum() / total
    ee = (image * grid.east**2).sum() / total
    ne = (image * grid.north * grid.east).sum() / total
    angle = 0.5 * np.arctan2(2 * ne, nn - ee) % np.pi
    root = np.hypot((nn - ee) / 2, ne)
    return float(np.sqrt(((nn + ee) / 2 - root) / ((nn + ee) / 2 + root))), float(angle)


def light(galaxy: Galaxy, grid: Grid = GRID) -> np.ndarray:
    return galaxy_light(galaxy, grid, np.random.default_rng(0)).grz


class TestFlux:
    @pytest.mark.parametrize("n", [1.0, 2.5, 4.0, 6.0])
    @pytest.mark.parametrize("boxiness", [0.0, -0.3, 0.3])
    def test_a_sersic_profile_holds_its_flux_and_half_of_it_in_the_half_light_ellipse(self, n, boxiness):
        grid = Grid(1024, 0.262)
        q, size = 0.6, 2.5
        x, y = grid.along(0.3)
        image = sersic(x, y, Bulge(1.0, n, size, q, boxiness), grid.pixel_arcsec)
        assert 0.94 < image.sum() < 1.01  # the rest of a large n lies outside
        if not boxiness:
            inside = image[x * x * q + y * y / q < size * size].sum()
            assert inside == pytest.approx(0.5, abs=0.012)

    @pytest.mark.parametrize("cos_inclination", [1.0, 0.6, 0.3, 0.02])
    @pytest.mark.parametrize("optical_depth", [0.0, 1.5])
    def test_discs_have_the_flux_of_their_magnitude_whatever_the_dust(self, cos_inclination, optical_depth):
        galaxy = disc_galaxy(cos_inclination, 0.7, optical_depth=optical_depth)
        assert light(galaxy)[1].sum() == pytest.approx(galaxy.flux_r, rel=1e-9)

    def test_colours_are_those_asked_for(self):
        g, r, z = light(elliptical()).sum(axis=(1, 2))
        assert -2.5 * np.log10(g / r) == pytest.approx(0.8, abs=0.05)
        assert -2.5 * np.log10(r / z) == pytest.approx(0.66, abs=0.05)

    def test_seeing_keeps_flux_and_a_point_source_gets_its_width(self):
        grid, fwhm = Grid(128, 0.131), 1.2
        point = np.zeros((128, 128))
        point[64, 64] = 7.0
        seen = telescope.blur(point, telescope.transfer_function(grid, fwhm))
        assert seen.sum() == pytest.approx(7.0, rel=1e-9)
        profile = seen[64, 64:] / seen[64, 64]
        assert np.interp(-0.5, -profile, np.arange(64) * 0.131) == pytest.approx(fwhm / 2, rel=0.02)

    def test_a_bright_star_is_brightest_where_it_stands_and_has_its_flux(self):
        bands = np.zeros((3, 256, 256))
        star = field.Star(15.0, 10.0, -20.0, 0.5, 0.3)
        conditions = telescope.draw_conditions(np.random.default_rng(0))
        telescope.add_bright_stars(bands, GRID, [star], conditions)
        row, column = np.unravel_index(bands[1].argmax(), bands[1].shape)
        assert GRID.north[row, 0] == pytest.approx(10.0, abs=0.2)
        assert GRID.east[0, column] == pytest.approx(-20.0, abs=0.2)
        assert bands[1].sum() == pytest.approx(10 ** (0.4 * 7.5), rel=0.1)

    def test_a_neighbour_cut_by_the_edge_keeps_only_what_lies_on_the_grid(self):
        inside, outside = np.zeros((3, 256, 256)), np.zeros((3, 256, 256))
        profile = Bulge(1.0, 1.0, 1.0, 1.0)
        edge = 256 * 0.262 / 2
        field.add_neighbours(inside, GRID, [field.Neighbour(20, 0, 0, profile, 0, 0.7, 0.6)])
        field.add_neighbours(outside, GRID, [field.Neighbour(20, edge, 0, profile, 0, 0.7, 0.6)])
        field.add_neighbours(outside, GRID, [field.Neighbour(20, 0, 3 * edge, profile, 0, 0.7, 0.6)])
        assert inside[1].sum() == pytest.approx(10.0, rel=0.02)
        assert outside[1].sum() == pytest.approx(5.0, rel=0.05)

    def test_tidal_light_sums_to_one(self):
        for seed in range(4):
            tails = tidal_light(np.random.default_rng(seed), GRID, 4.0, 0.1)
            assert tails.sum() == pytest.approx(1.0) and tails.min() >= 0


class TestGeometry:
    @pytest.mark.parametrize("degrees", [0, 30, 90, 135])
    @pytest.mark.parametrize("kind", ["disc", "edge-on disc", "elliptical"])
    def test_position_angles_run_from_north_through_east(self, degrees, kind):
        angle = np.radians(degrees)
        if kind == "elliptical":
            galaxy = replace(elliptical(n=1.5, axis_ratio=0.5), position_angle=angle)
        else:
            galaxy = disc_galaxy(0.5 if kind == "disc" else 0.1, angle)
        _, measured = moments(light(galaxy)[1], GRID)
        assert abs(np.angle(np.exp(2j * (measured - angle)))) < 0.02

    def test_north_is_up_and_east_is_left(self):
        assert GRID.north[0, 0] > 0 > GRID.north[-1, 0]
        assert GRID.east[0, 0] > 0 > GRID.east[0, -1]
        companion = galaxy_light(elliptical(), GRID, np.random.default_rng(0), north=12, east=8).grz[1]
        row, column = np.unravel_index(companion.argmax(), companion.shape)
        assert row < 128 and column < 128

    @pytest.mark.parametrize("cos_inclination", [0.9, 0.6, 0.4])
    def test_a_thin_disc_is_flattened_by_the_cosine_of_its_inclination(self, cos_inclination):
        ratio, _ = moments(light(disc_galaxy(cos_inclination, 0.4, thickness_rd=0.01))[1], GRID)
        assert ratio == pytest.approx(cos_inclination, abs=0.02)

    def test_edge_on_a_disc_is_as_thick_as_its_scale_height(self):
        galaxy = disc_galaxy(0.0, np.pi / 2, thickness_rd=0.3)  # major axis along a row
        near = np.abs(GRID.axis) < 8
        middle = light(galaxy)[1][near, 120:136].sum(axis=1)
        rms = np.sqrt((middle * GRID.axis[near] ** 2).sum() / middle.sum())
        # sech^2 of scale height h has an rms height of pi h / sqrt(12); the rest is the floor in inclination
        expected = np.pi / np.sqrt(12) * 0.3 * 3.0
        assert expected < rms < 1.25 * expected

    @pytest.mark.parametrize("outer_scale", [0.5, 1.0, 1.6])
    def test_a_disc_bends_at_its_break_and_nowhere_else(self, outer_scale):
        disc = disc_galaxy(1.0, 0.0, break_rd=3.0, outer_scale=outer_scale, scale_arcsec=4.0)
        image, r = light(disc)[1], np.hypot(GRID.north, GRID.east) / 4.0

        def scale(low: float, high: float) -> float:
            ring = (r > low) & (r < high)
            return -1 / np.polyfit(r[ring], np.log(image[ring]), 1)[0]

        assert scale(1.0, 2.9) == pytest.approx(1.0, rel=0.01)
        assert scale(3.1, 5.0) == pytest.approx(outer_scale, rel=0.01)

    def test_a_ring_is_an_oval_along_its_angle_and_as_wide_as_was_asked(self):
        y, x = np.mgrid[-4:4:401j, -4:4:401j]
        ring = Ring(fraction=0.2, radius_rd=2.0, width_rd=0.2, axis_ratio=0.81, angle=0.6, unevenness=0.0)
        image, spread = ring_maps(np.random.default_rng(0), ring, x, y)
        assert image.sum() == pytest.approx(1) and spread.sum() == pytest.approx(1)
        along, across = x * np.cos(0.6) + y * np.sin(0.6), y * np.cos(0.6) - x * np.sin(0.6)
        row, column = np.unravel_index(np.argmax(image * (np.abs(across) < 0.03)), image.shape)
        assert abs(along[row, column]) == pytest.approx(2.0 / 0.9, abs=0.05)  # 2 / sqrt(0.81)
        row, column = np.unravel_index(np.argmax(image * (np.abs(along) < 0.03)), image.shape)
        assert abs(across[row, column]) == pytest.approx(2.0 * 0.9, abs=0.05)
        assert image.max() > 2 * spread.max()
        uneven, _ = ring_maps(np.random.default_rng(0), replace(ring, unevenness=0.3), x, y)
        upper = along > 0
        assert abs(uneven[upper].sum() - 0.5) > 0.02 > abs(image[upper].sum() - 0.5)

    def test_a_round_galaxy_is_round_and_face_on_discs_too(self):
        for galaxy in (elliptical(axis_ratio=1.0), disc_galaxy(1.0, 1.0)):
            ratio, _ = moments(light(galaxy)[1], GRID)
            assert ratio == pytest.approx(1.0, abs=0.005)

    def test_dust_in_a_tilted_disc_dims_the_near_side_of_the_bulge(self):
        tilted = disc_galaxy(0.4, np.pi / 2, optical_depth=2.0)
        tilted = replace(tilted, bulge=Bulge(0.5, 2.0, 2.0, 0.9))
        blue, _, red = light(tilted)
        asymmetry = [abs(band[:128].sum() / band[128:].sum() - 1) for band in (blue, red)]
        assert asymmetry[0] > asymmetry[1] > 0.01

    def test_light_is_never_negative_by_more_than_rounding(self):
        rng = np.random.default_rng(4)
        for _ in range(12):
            grz = galaxy_light(draw_galaxy(rng), GRID, rng).grz
            assert grz.min() > -2e-3 * grz.max()


class TestPopulation:
    def test_every_galaxy_passes_the_selection_of_the_survey(self):
        rng = np.random.default_rng(1)
        galaxies = [draw_galaxy(rng) for _ in range(300)]
        assert max(g.mag_r for g in galaxies) < MAG_LIMIT + 0.01
        assert max(g.redshift for g in galaxies) < REDSHIFT_LIMIT
        assert min(petrosian(g)[2] for g in galaxies) >= MIN_PETROSIAN_ARCSEC

    def test_luminosity_distance_agrees_with_the_integral(self):
        z = np.linspace(0, 0.15, 2001)
        inverse = 1 / np.sqrt(0.3 * (1 + z) ** 3 + 0.7)
        integral = 299792.458 / 70 * np.concatenate([[0], np.cumsum((inverse[1:] + inverse[:-1]) / 2 * z[1])])
        exact = (1 + z) * integral
        assert np.allclose(luminosity_distance_mpc(z)[1:], exact[1:], rtol=0.01)

    def test_petrosian_radii_of_known_profiles(self):
        # circular-aperture values without seeing (Graham et al. 2005, table 1): r_P / R_e 2.16 and p90/p50 2.33
        # for n = 1; 1.82 and about 3.4 for n = 4 with twice the Petrosian radius as aperture
        blur = 0.7
        p50, p90, theta = petrosian(elliptical(n=1.0, size=6.0, axis_ratio=1.0))
        assert np.hypot(theta, 0) ** 2 - (2 * blur) ** 2 == pytest.approx((2.16 * 6.0) ** 2, rel=0.05)
        assert np.sqrt((p90**2 - (1.8 * blur) ** 2) / (p50**2 - blur**2)) == pytest.approx(2.33, rel=0.04)
        p50, p90, theta = petrosian(elliptical(n=4.0, size=6.0, axis_ratio=1.0))
        assert np.sqrt(theta**2 - (2 * blur) ** 2) == pytest.approx(1.82 * 6.0, rel=0.05)

    def test_petrosian_radii_of_a_disc_grow_where_it_bends_up(self):
        bent = [petrosian(disc_galaxy(1.0, 0.0, break_rd=2.5, outer_scale=s))[1] for s in (0.5, 1.0, 1.8)]
        assert bent[0] < bent[1] < bent[2]

    @pytest.mark.parametrize("kind", ["spiral", "lenticular", "irregular"])
    def test_disc_galaxies_have_the_half_light_radius_that_was_drawn(self, kind):
        rng = np.random.default_rng(3)
        for _ in range(12):
            galaxy = draw_galaxy(rng, kind)
            disc = replace(galaxy.disc, cos_inclination=1.0, optical_depth=0.0, lopsidedness=0.0)
            bulge = galaxy.bulge and replace(galaxy.bulge, axis_ratio=1.0)
            # arms spread evenly: what is left of an image whose pattern is taken out
            smooth = replace(galaxy, disc=disc, bulge=bulge, bar=None, ring=None, knots=0)
            grid = Grid(1024, galaxy.half_light_arcsec / 30)
            drawn = galaxy_light(smooth, grid, np.random.default_rng(0))
            image = drawn.grz[1] if drawn.without_pattern is None else drawn.without_pattern
            inside = image[np.hypot(grid.north, grid.east) < galaxy.half_light_arcsec].sum() / image.sum()
            # arms begin outside the middle and have an end, which their smooth exponential has not
            assert inside == pytest.approx(0.5, abs=0.01 if galaxy.arms is None else 0.08)

    @pytest.mark.parametrize(("outer_scale", "break_rd"), [(0.5, 2.0), (1.0, np.inf), (1.8, 4.5)])
    def test_a_bulge_holds_its_share_of_the_light_whatever_the_disc_does(self, outer_scale, break_rd):
        disc = disc_galaxy(1.0, 0.0, break_rd=break_rd, outer_scale=outer_scale, scale_arcsec=2.0)
        bulge = Bulge(0.4, 1.0, 0.5, 1.0)
        image = light(replace(disc, bulge=bulge))[1]
        parts = np.stack([sersic(*GRID.along(0.0), bulge, GRID.pixel_arcsec).ravel(), light(disc)[1].ravel()])
        weights, rest, *_ = np.linalg.lstsq(parts.T, image.ravel(), rcond=None)
        bulge_light, disc_light = weights * parts.sum(axis=1)
        assert rest[0] < 1e-12 * (image**2).sum(), "nothing but the two"
        assert bulge_light / (bulge_light + disc_light) == pytest.approx(0.4, abs=0.005)

    def test_half_light_constant(self):
        assert sersic_b(1.0) == pytest.approx(1.678347, abs=2e-4)
        assert sersic_b(4.0) == pytest.approx(7.669249, abs=1e-4)


class TestTelescope:
    def test_pixel_scale_is_the_published_rule(self):
        assert telescope.pixel_scale_arcsec(2.0, 5.0) == 0.1
        assert telescope.pixel_scale_arcsec(5.0, 15.0) == 0.2
        assert telescope.pixel_scale_arcsec(5.0, 9.0) == pytest.approx(0.18)

    def test_small_cutouts_are_native_and_large_ones_have_512_pixels(self):
        grid, shown = telescope.field_grid(0.1)
        assert grid.pixel_arcsec == 0.262 and 0 <= shown * 0.262 - 42.4 < 2 * 0.262
        grid, shown = telescope.field_grid(0.5)
        assert shown <= 513 and grid.pixel_arcsec == pytest.approx(212 / 512)

    def test_noise_has_the_level_it_was_asked_for(self):
        conditions = telescope.Conditions((1.2, 1.2, 1.2), (0.01, 0.02, 0.03), (0.1, 0.0, -0.1))
        sky = np.zeros((3, 200, 200), np.float32)
        telescope.add_noise(np.random.default_rng(0), sky, conditions, telescope.NATIVE_ARCSEC)
        assert sky.std(axis=(1, 2)) == pytest.approx([0.01, 0.02, 0.03], rel=0.03)
        assert sky.mean(axis=(1, 2)) == pytest.approx([0.1, 0.0, -0.1], abs=1e-3)

    @pytest.mark.parametrize("fault", ["satellite", "band-shift", "missing-data"])
    def test_faults_change_the_picture(self, fault):
        rng = np.random.default_rng(3)
        sky = rng.normal(size=(3, 64, 64)).astype(np.float32)
        spoilt = sky.copy()
        telescope.add_fault(rng, spoilt, fault)
        assert not np.array_equal(sky, spoilt)


class TestColour:
    def test_known_levels(self):
        flux = np.zeros((3, 1, 3))
        for band in range(3):
            flux[band, 0] = np.array([-0.5, 0.0, 300.0]) / colour.SCALES[band]
        black, sky, white = colour.to_rgb(flux)[0].astype(int)
        # grey pixels get the brightness m (w + m (1 - w)^2) + m (1 - w) with w = sin(0.6 pi / 2)
        m, w = float(np.arcsinh(0.5)) / colour.SPAN, np.sin(0.3 * np.pi)
        expected = int(255 * (m * (w + m * (1 - w) ** 2) + m * (1 - w)))
        assert list(black) == [0, 0, 0] and list(white) == [255, 255, 255]
        assert list(sky) == pytest.approx([expected] * 3, abs=1)

    def test_g_is_blue_r_is_green_z_is_red(self):
        for band, channel in ((0, 2), (1, 1), (2, 0)):
            flux = np.full((3, 4, 4), 20.0) / np.array(colour.SCALES)[:, None, None]
            flux[band] *= 3
            assert colour.to_rgb(flux)[0, 0].argmax() == channel

    def test_noise_loses_its_colour_and_galaxies_keep_theirs(self):
        def kept(red: float, green: float, blue: float) -> float:
            """Return the share of the spread between channels that is left."""
            flux = np.array([blue, green, red])[:, None, None] / np.array(colour.SCALES)[:, None, None]
            plain = colour.displayed(np.array([red, green, blue])) * 255
            return float(np.ptp(colour.to_rgb(flux)[0, 0].astype(float)) / np.ptp(plain))

        assert kept(0.7, -0.3, -0.2) < 0.45
        assert kept(40.0, 30.0, 20.0) > 0.7

    def test_cutouts_have_424_pixels(self):
        assert colour.to_cutout(np.zeros((162, 162, 3), np.uint8)).shape == (424, 424, 3)


@pytest.mark.parametrize(("n", "size"), [(1.0, 2.0), (2.5, 2.0), (4.0, 3.0)])
def test_galsim_agrees_on_profiles_under_seeing(n: float, size: float):
    galsim = pytest.importorskip("galsim", reason="GalSim, the oracle for profiles and seeing, is not installed")
    x, y = GRID.along(np.radians(30))
    ours = telescope.blur(
        sersic(x, y, Bulge(1.0, n, size, 0.7), GRID.pixel_arcsec), telescope.transfer_function(GRID, 1.18)
    )
    profile = galsim.Sersic(n, half_light_radius=size).shear(q=0.7, beta=(90 + 30) * galsim.degrees)
    seeing = galsim.Moffat(beta=telescope.MOFFAT_BETA, fwhm=1.18)
    theirs = galsim.Convolve(profile, seeing).drawImage(nx=256, ny=256, scale=0.262, method="no_pixel").array[::-1]
    assert np.abs(ours - theirs).max() < 0.05 * theirs.max()  # the cusp of n = 4 in the middle pixels
    bright = theirs > 1e-3 * theirs.max()
    assert np.median(np.abs(ours[bright] / theirs[bright] - 1)) < 0.01


@pytest.mark.parametrize("cos_inclination", [0.5, 0.1])
def test_galsim_agrees_on_inclined_discs(cos_inclination: float):
    galsim = pytest.importorskip("galsim", reason="GalSim, the oracle for profiles and seeing, is not installed")
    galaxy = disc_galaxy(cos_inclination, 0.0, thickness_rd=0.15)
    ours = telescope.blur(light(galaxy)[1] / galaxy.flux_r, telescope.transfer_function(GRID, 1.18))
    disc = galsim.InclinedExponential(
        np.arccos(cos_inclination) * galsim.radians, scale_radius=3.0, scale_h_over_r=0.15
    ).rotate(90 * galsim.degrees)
    theirs = galsim.Convolve(disc, galsim.Moffat(beta=telescope.MOFFAT_BETA, fwhm=1.18))
    image = theirs.drawImage(nx=256, ny=256, scale=0.262, method="no_pixel").array[::-1]
    assert np.abs(ours - image).max() < 0.06 * image.max()
